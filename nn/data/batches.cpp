#include <telaio/nn/data/batches.hpp>

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/nn/data/pixels.hpp>
#include <telaio/ops/kernels/random.hpp>

namespace telaio::nn {

std::vector<int64_t> shuffled_order(int64_t n, uint64_t seed, int64_t epoch) {
  std::vector<int64_t> order(static_cast<size_t>(n));
  const Storage scratch(kernels::permutation_scratch_bytes(n));
  kernels::permutation(data_key(seed, RandomPurpose::shuffle, static_cast<uint64_t>(epoch)), n, order.data(),
                       scratch.data());
  return order;
}

std::vector<int64_t> plain_order(int64_t n) {
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), int64_t{0});
  return order;
}

std::vector<std::span<const int64_t>> cut_batches(std::span<const int64_t> order, int64_t batch_size) {
  if (batch_size < 1) throw Error(fmt::format("batch_size: expected at least 1, got {}", batch_size));
  std::vector<std::span<const int64_t>> batches;
  for (size_t first = 0; first < order.size(); first += static_cast<size_t>(batch_size))
    batches.push_back(order.subspan(first, std::min(static_cast<size_t>(batch_size), order.size() - first)));
  return batches;
}

BatchMaker::BatchMaker(Samples samples, Standardization standardization, Augmentation augmentation)
    : samples_(std::move(samples)), standardization_(std::move(standardization)), augmentation_(augmentation) {
  const TensorSpec& spec = samples_.inputs.spec();
  if (spec.shape.rank() == 0 || (spec.dtype != u8 && spec.dtype != f32) || samples_.labels.dtype() != i64 ||
      !(samples_.labels.shape() == Shape{spec.shape[0]}))
    throw Error(fmt::format("batches: expected inputs u8 or f32 [N, …] and labels i64[N], got {} and {}",
                            to_string(spec), to_string(samples_.labels.spec())));
  sample_shape_ = samples_.sample_shape();
  check(standardization_, sample_shape_);
  if (sample_shape_.rank() == 3) image_shape_ = {sample_shape_[0], sample_shape_[1], sample_shape_[2]};
  else if (augmentation_.any())
    throw Error(fmt::format("augmentation: {} needs images [N,H,W,C], the samples are {}", to_string(augmentation_),
                            to_string(spec)));
  inputs_ = samples_.inputs.value().contiguous();
  labels_ = samples_.labels.value().contiguous();
  if (!standardization_.pixels) return;
  mean_ = standardization_.mean.value().contiguous();
  deviation_ = standardization_.deviation.value().contiguous();
}

Shape BatchMaker::batch_shape(int64_t rows) const {
  Shape shape = sample_shape_;
  shape.insert(0, rows);
  return shape;
}

void BatchMaker::assemble(const BatchRequest& request, float* inputs, int64_t* labels) const {
  const auto optional = [&](size_t size, std::string_view name) {
    if (size != 0 && size != request.rows.size())
      throw Error(fmt::format("batches: {} {} for {} rows", size, name, request.rows.size()));
  };
  optional(request.ids.size(), "ids");
  optional(request.strength.size(), "strengths");
  for (const int64_t row : request.rows)
    if (row < 0 || row >= samples_.size())
      throw Error(fmt::format("batches: row {} of a set with {} samples", row, samples_.size()));

  const int64_t n = numel(sample_shape_);
  const bool upright = standardization_.center || standardization_.deskew;
  // Cycles a value, about: converting and normalising, each warp.
  const double cycles = 2 + (upright ? 25 : 0) + (augmentation_.any() ? 20 : 0);
  parallel_for(static_cast<int64_t>(request.rows.size()), grain_for(cycles * static_cast<double>(n)),
               [&](int64_t begin, int64_t end) {
                 std::vector<float> scratch;
                 for (int64_t i = begin; i < end; ++i) {
                   const auto at = static_cast<size_t>(i);
                   const int64_t row = request.rows[at];
                   float* x = inputs + i * n;
                   to_floats(inputs_, row * n, n, x);
                   if (upright) make_upright(standardization_, image_shape_, x, scratch);
                   if (augmentation_.any())
                     augment_image(augmentation_, sample_key(request.key, request.ids.empty() ? row : request.ids[at]),
                                   request.strength.empty() ? 1.0f : request.strength[at], image_shape_, x, scratch);
                   if (standardization_.pixels) normalize(mean_.data<float>(), deviation_.data<float>(), n, x);
                   labels[i] = labels_.data<int64_t>()[row];
                 }
               });
}

std::pair<Tensor, Tensor> BatchMaker::assemble(const BatchRequest& request) const {
  const auto rows = static_cast<int64_t>(request.rows.size());
  const Array inputs({f32, batch_shape(rows)}), labels({i64, {rows}});
  assemble(request, inputs.data<float>(), labels.data<int64_t>());
  return {constant(inputs), constant(labels)};
}

}  // namespace telaio::nn
