#include <telaio/nn/data/pixels.hpp>

#include <cstring>

#include <telaio/autograd/runtime/parallel.hpp>

namespace telaio::nn {

void unit_floats(const uint8_t* x, int64_t n, float* y) {
  parallel_for(n, 1 << 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y[i] = static_cast<float>(x[i]) / 255.0f;
  });
}

void to_floats(const Array& from, int64_t first, int64_t n, float* y) {
  if (from.dtype() == u8) unit_floats(from.data<uint8_t>() + first, n, y);
  else std::memcpy(y, from.data<float>() + first, static_cast<size_t>(n) * sizeof(float));
}

void normalize(const float* mean, const float* deviation, int64_t n, float* x) {
  for (int64_t i = 0; i < n; ++i) x[i] = (x[i] - mean[i]) / deviation[i];
}

}  // namespace telaio::nn
