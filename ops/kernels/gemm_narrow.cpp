#include <telaio/ops/kernels/gemm_narrow.hpp>
#include <telaio/ops/kernels/simd_target.hpp>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "telaio/ops/kernels/gemm_narrow.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace telaio::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Rows i … i + rows − 1 times all columns. So many sums that each is ready when its turn comes again.
template <int rows, int columns, class T>
HWY_NOINLINE void NarrowRows(const NarrowProduct<T>& p, int64_t i) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  constexpr int64_t lanes = hn::MaxLanes(d);
  V sum[rows][columns];
  HWY_UNROLL(8)
  for (int r = 0; r < rows; ++r) {
    HWY_UNROLL(4)
    for (int c = 0; c < columns; ++c) sum[r][c] = hn::Zero(d);
  }
  const int64_t whole = p.run_length / lanes * lanes;
  const auto rest = hn::FirstN(d, static_cast<size_t>(p.run_length - whole));
  for (int64_t run = 0; run < p.runs; ++run) {
    const T* b = p.b + run * p.run_length;
    const int64_t from = run * p.a_run_step;
    const auto add = [&](int64_t j, auto&& load) HWY_ATTR {
      V b_part[columns];
      HWY_UNROLL(4)
      for (int c = 0; c < columns; ++c) b_part[c] = load(b + c * p.b_column_step + j);
      HWY_UNROLL(8)
      for (int r = 0; r < rows; ++r) {
        const V a_part = load(p.a_rows[i + r] + from + j);
        HWY_UNROLL(4)
        for (int c = 0; c < columns; ++c) sum[r][c] = hn::MulAdd(a_part, b_part[c], sum[r][c]);
      }
    };
    for (int64_t j = 0; j < whole; j += lanes) add(j, [&](const T* x) HWY_ATTR { return hn::LoadU(d, x); });
    if (whole < p.run_length) add(whole, [&](const T* x) HWY_ATTR { return hn::MaskedLoad(rest, d, x); });
  }
  HWY_UNROLL(8)
  for (int r = 0; r < rows; ++r) {
    T* y = p.c_rows[i + r] + p.c_column;
    HWY_UNROLL(4)
    for (int c = 0; c < columns; ++c) y[c] = hn::GetLane(hn::SumOfLanes(d, sum[r][c]));
    finish(p.epilogue, p.c_column, y, columns);
  }
}

template <int columns, class T>
void NarrowColumns(const NarrowProduct<T>& p) {
  constexpr int rows = columns == 1 ? 8 : 4;
  int64_t i = 0;
  for (; i + rows <= p.m; i += rows) NarrowRows<rows, columns>(p, i);
  for (; i < p.m; ++i) NarrowRows<1, columns>(p, i);
}

template <class T>
void Narrow(NarrowProduct<T> p) {
  // Four columns at a time: their sums and what they take fit the registers.
  for (int64_t n = p.n; n > 0; n -= 4, p.b += 4 * p.b_column_step, p.c_column += 4) {
    switch (n) {
      case 1:
        NarrowColumns<1>(p);
        break;
      case 2:
        NarrowColumns<2>(p);
        break;
      case 3:
        NarrowColumns<3>(p);
        break;
      default:
        NarrowColumns<4>(p);
    }
  }
}

void NarrowF32(const NarrowProduct<float>& p) { Narrow(p); }
void NarrowF64(const NarrowProduct<double>& p) { Narrow(p); }

}  // namespace telaio::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace telaio::kernels {

TELAIO_EXPORT(NarrowF32);
TELAIO_EXPORT(NarrowF64);

template <>
void multiply_narrow(const NarrowProduct<float>& product) {
  TELAIO_DISPATCH(NarrowF32)(product);
}
template <>
void multiply_narrow(const NarrowProduct<double>& product) {
  TELAIO_DISPATCH(NarrowF64)(product);
}

}  // namespace telaio::kernels
#endif  // HWY_ONCE
