#include <telaio/nn/insight/invariance.hpp>

#include <algorithm>

#include <fmt/format.h>

#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/nn/insight/image_model.hpp>
#include <telaio/nn/train/evaluate.hpp>
#include <telaio/ops/binary.hpp>
#include <telaio/ops/unary.hpp>

namespace telaio::nn {

namespace {

InvarianceTest geometric(const char* name, const char* unit, std::vector<double> amounts,
                         Geometry (*geometry)(double amount)) {
  return {name, unit, std::move(amounts),
          [geometry](double amount, const ImageShape& shape, const float* image, float* out) {
            std::vector<float> scratch;
            warp(affine(geometry(amount), shape), shape, image, out, scratch);
          }};
}

// Whole pixels.
std::vector<double> shifts(int64_t side) {
  const int64_t step = std::max<int64_t>(1, (side + 7) / 14);
  std::vector<double> pixels;
  for (int64_t i = -4; i <= 4; ++i) pixels.push_back(static_cast<double>(i * step));
  return pixels;
}

}  // namespace

std::vector<InvarianceTest> standard_invariance_tests(const ImageShape& shape) {
  std::vector<double> angles, sizes;
  for (int degrees = -75; degrees <= 75; degrees += 15) angles.push_back(degrees);
  for (int tenths = 5; tenths <= 15; ++tenths) sizes.push_back(tenths / 10.0);
  return {
      geometric("shift to the right", "pixels", shifts(shape.width), [](double x) { return Geometry{.right = x}; }),
      geometric("shift down", "pixels", shifts(shape.height), [](double y) { return Geometry{.down = y}; }),
      geometric("rotation", "degrees", std::move(angles), [](double angle) { return Geometry{.rotate = angle}; }),
      geometric("size", "times", std::move(sizes), [](double size) { return Geometry{.zoom = size}; }),
  };
}

InvarianceCurve measure_invariance(const Model& model, const Samples& samples, const InvarianceTest& test,
                                   const InvarianceOptions& options) {
  if (test.amounts.empty()) throw Error(fmt::format("invariance: '{}' has no amounts", test.name));
  const Array images = images_of(samples, {}, "invariance");  // centred and deskewed after the change
  const ImageShape shape{images.shape()[1], images.shape()[2], images.shape()[3]};
  const EvaluateOptions evaluation{.batch_size = options.batch_size, .standardization = options.standardization};
  InvarianceCurve curve{test.name, test.unit, {}};
  for (const double amount : test.amounts) {
    const Array changed({f32, images.shape()});
    const int64_t n = images.shape()[0], size = shape.numel();
    parallel_for(n, grain_for(20.0 * static_cast<double>(size)), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        test.transform(amount, shape, images.data<float>() + i * size, changed.data<float>() + i * size);
    });
    const Tensor x = constant(changed);
    const Tensor inputs = model.input_dtype() == u8 ? cast(round(x * 255), u8) : x;
    const Evaluation result = evaluate(model, {inputs, samples.labels}, evaluation);
    if (!result.confusion) throw Error("invariance: the model does not tell classes apart");
    InvariancePoint point{amount, result.confusion->accuracy(), {}};
    for (int64_t c = 0; c < result.confusion->classes(); ++c)
      point.class_accuracy.push_back(result.confusion->of(c).recall);
    curve.points.push_back(std::move(point));
    if (options.after_point) options.after_point();
  }
  return curve;
}

}  // namespace telaio::nn
