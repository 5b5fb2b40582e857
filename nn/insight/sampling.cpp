#include <telaio/nn/insight/sampling.hpp>

#include <cmath>

#include <telaio/ops/binary.hpp>
#include <telaio/ops/create.hpp>
#include <telaio/ops/indexing.hpp>
#include <telaio/ops/reduce.hpp>
#include <telaio/ops/views.hpp>

namespace telaio::nn {

Sampling sampling(const Affine& map, const ImageShape& shape) {
  const int64_t pixels = shape.height * shape.width;
  const Array places({i64, {4, pixels}}), weights({f32, {4, pixels}});
  for (int64_t v = 0; v < shape.height; ++v)
    for (int64_t u = 0; u < shape.width; ++u) {
      const auto x = static_cast<double>(u), y = static_cast<double>(v);
      const double from_x = map.xx * x + map.xy * y + map.x0, from_y = map.yx * x + map.yy * y + map.y0;
      const double left = std::floor(from_x), top = std::floor(from_y);
      for (int64_t corner = 0; corner < 4; ++corner) {
        const double column = left + static_cast<double>(corner % 2), row = top + static_cast<double>(corner / 2);
        const bool inside = column >= 0 && row >= 0 && column < static_cast<double>(shape.width) &&
                            row < static_cast<double>(shape.height);
        const double weight = (1 - std::abs(from_x - column)) * (1 - std::abs(from_y - row));
        const int64_t at = corner * pixels + v * shape.width + u;
        places.data<int64_t>()[at] =
            inside ? static_cast<int64_t>(row) * shape.width + static_cast<int64_t>(column) : 0;
        weights.data<float>()[at] = inside ? static_cast<float>(weight) : 0.0F;
      }
    }
  return {constant(places), constant(weights)};
}

Tensor sampled(const Tensor& images, const Sampling& sampling) {
  const Tensor pixels = reshape(images, {images.dim(0), images.dim(1) * images.dim(2), images.dim(3)});
  // [N,4,H·W,C]
  return reshape(sum(take(pixels, sampling.places, 1) * unsqueeze(sampling.weights, 2), 1), images.shape());
}

}  // namespace telaio::nn
