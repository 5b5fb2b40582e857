#include <telaio/ops/kernels/simd_target.hpp>

#include <telaio/ops/kernels/warp.hpp>

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "telaio/ops/kernels/warp.cpp"
#include <hwy/foreach_target.h>

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace telaio::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// One value a lane, with places as doubles: in floats whole shifts of large images would not stay exact.
template <class D>
struct Sampler {
  using F = hn::Rebind<float, D>;
  using I = hn::Rebind<int32_t, D>;
  using VD = hn::Vec<D>;
  using VF = hn::Vec<F>;

  Sampler(const double* map, int64_t height, int64_t width, const float* image)
      : xx(hn::Set(d, map[0])),
        yx(hn::Set(d, map[3])),
        right(hn::Set(d, static_cast<double>(width + 1))),
        bottom(hn::Set(d, static_cast<double>(height + 1))),
        padded(image),
        stride(static_cast<int32_t>(width + 3)) {}

  /// From `column` on, in the row whose first pixel comes from (left_x, left_y).
  HWY_INLINE VF At(int64_t column, double left_x, double left_y) const {
    const VD at = hn::Add(hn::Iota(d, 0.0), hn::Set(d, static_cast<double>(column)));
    const VD one = hn::Set(d, 1.0);
    // In the padded image everything lies one further right and down.
    const VD px = Within(hn::Add(hn::Add(hn::Mul(xx, at), hn::Set(d, left_x)), one), right);
    const VD py = Within(hn::Add(hn::Add(hn::Mul(yx, at), hn::Set(d, left_y)), one), bottom);
    const hn::Vec<I> ix = hn::DemoteTo(i, px), iy = hn::DemoteTo(i, py);
    const VF fx = hn::DemoteTo(f, hn::Sub(px, hn::PromoteTo(d, ix)));
    const VF fy = hn::DemoteTo(f, hn::Sub(py, hn::PromoteTo(d, iy)));
    const hn::Vec<I> corner = hn::Add(hn::Mul(iy, hn::Set(i, stride)), ix);
    const VF top = Between(padded, corner, fx), below = Between(padded + stride, corner, fx);
    return hn::Add(top, hn::Mul(fy, hn::Sub(below, top)));
  }

  HWY_INLINE VD Within(VD place, VD last) const { return hn::Min(hn::Max(place, hn::Zero(d)), last); }
  HWY_INLINE VF Between(const float* row, hn::Vec<I> index, VF share) const {
    const VF left = hn::GatherIndex(f, row, index);
    return hn::Add(left, hn::Mul(share, hn::Sub(hn::GatherIndex(f, row + 1, index), left)));
  }

  D d;
  F f;
  I i;
  VD xx, yx, right, bottom;
  const float* padded;
  int32_t stride;
};

template <class D>
HWY_INLINE void WarpWith(D, const double* map, int64_t height, int64_t width, const float* padded, float* y) {
  const Sampler<D> sampler(map, height, width, padded);
  const auto lanes = static_cast<int64_t>(hn::Lanes(D()));
  for (int64_t row = 0; row < height; ++row, y += width) {
    const double left_x = map[1] * static_cast<double>(row) + map[2],
                 left_y = map[4] * static_cast<double>(row) + map[5];
    int64_t column = 0;
    for (; column + lanes <= width; column += lanes)
      hn::StoreU(sampler.At(column, left_x, left_y), sampler.f, y + column);
    // The last ones once more together with some before them.
    if (column < width) hn::StoreU(sampler.At(width - lanes, left_x, left_y), sampler.f, y + width - lanes);
  }
}

void WarpPlane(const double* map, int64_t height, int64_t width, const float* padded, float* y) {
  const hn::ScalableTag<double> d;
  if (width >= static_cast<int64_t>(hn::Lanes(d))) WarpWith(d, map, height, width, padded, y);
  else WarpWith(hn::CappedTag<double, 1>(), map, height, width, padded, y);
}

}  // namespace HWY_NAMESPACE
}  // namespace telaio::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace telaio::kernels {

TELAIO_EXPORT(WarpPlane);

void warp_plane(const double* map, int64_t height, int64_t width, const float* padded, float* y) {
  TELAIO_DISPATCH(WarpPlane)(map, height, width, padded, y);
}

}  // namespace telaio::kernels
#endif
