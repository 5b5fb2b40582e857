#include <telaio/nn/data/batches.hpp>

#include <algorithm>
#include <cstring>
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

namespace {

TensorSpec with_rows(const Array& samples, int64_t rows) {
  TensorSpec spec = samples.spec();
  spec.shape[0] = rows;
  return spec;
}

int64_t row_bytes(const Array& samples) { return with_rows(samples, 1).bytes(); }

void copy_row(const Array& samples, int64_t row, int64_t at, void* batch) {
  const int64_t bytes = row_bytes(samples);
  if (bytes == 0) return;
  std::memcpy(static_cast<std::byte*>(batch) + at * bytes, samples.bytes() + row * bytes, static_cast<size_t>(bytes));
}

}  // namespace

BatchMaker::BatchMaker(const Tensor& inputs, const Tensor& targets, Standardization standardization,
                       const Augmentation& augmentation, InputForm form)
    : standardization_(std::move(standardization)), augmentation_(augmentation), form_(form) {
  if (!inputs.defined()) throw Error("batches: the inputs are undefined");
  const TensorSpec& spec = inputs.spec();
  if (spec.shape.empty()) throw Error(fmt::format("batches: expected inputs [N, …], got {}", to_string(spec)));
  if (targets.defined() && (targets.rank() == 0 || targets.dim(0) != spec.shape[0]))
    throw Error(fmt::format("batches: expected targets [{}, …] to inputs {}, got {}", spec.shape[0], to_string(spec),
                            to_string(targets.spec())));
  if (form == InputForm::as_given) {
    if (augmentation_.any())
      throw Error(
          fmt::format("augmentation: {} cannot be applied to inputs that stay as given", to_string(augmentation_)));
    if (standardization_.any())
      throw Error(fmt::format("standardization: {} cannot be applied to inputs that stay as given",
                              to_string(standardization_)));
  } else {
    if (spec.dtype != u8 && spec.dtype != f32)
      throw Error(fmt::format("batches: only inputs u8 or f32 can be prepared, got {}", to_string(spec)));
    Shape sample = spec.shape;
    sample.erase(0);
    check(standardization_, sample);
    if (sample.rank() == 3) image_shape_ = {sample[0], sample[1], sample[2]};
    else if (augmentation_.any())
      throw Error(fmt::format("augmentation: {} needs images [N,H,W,C], the samples are {}", to_string(augmentation_),
                              to_string(spec)));
  }
  inputs_ = inputs.value().contiguous();
  if (targets.defined()) targets_ = targets.value().contiguous();
  if (!standardization_.pixels) return;
  mean_ = standardization_.mean.value().contiguous();
  deviation_ = standardization_.deviation.value().contiguous();
}

TensorSpec BatchMaker::inputs_spec(int64_t rows) const {
  TensorSpec spec = with_rows(inputs_, rows);
  if (form_ == InputForm::prepared) spec.dtype = f32;
  return spec;
}

TensorSpec BatchMaker::targets_spec(int64_t rows) const { return with_rows(targets_, rows); }

/// Of rows; from sizes only.
int64_t BatchMaker::grain() const {
  const int64_t n = numel(with_rows(inputs_, 1).shape);
  const bool upright = standardization_.center || standardization_.deskew;
  // Cycles a value, about: converting and normalising, each warp. Copies: cycles a byte.
  double cycles = (2.0 + (upright ? 25 : 0) + (augmentation_.any() ? 20 : 0)) * static_cast<double>(n);
  if (form_ == InputForm::as_given) cycles = 0.25 * static_cast<double>(row_bytes(inputs_));
  if (has_targets()) cycles += 0.25 * static_cast<double>(row_bytes(targets_));
  return grain_for(cycles);
}

/// Row `at` of the batch.
void BatchMaker::prepare(const BatchRequest& request, size_t at, float* x, std::vector<float>& scratch) const {
  const int64_t row = request.rows[at], n = numel(with_rows(inputs_, 1).shape);
  to_floats(inputs_, row * n, n, x);
  if (standardization_.center || standardization_.deskew) make_upright(standardization_, image_shape_, x, scratch);
  if (augmentation_.any())
    augment_image(augmentation_, sample_key(request.key, request.ids.empty() ? row : request.ids[at]),
                  request.strength.empty() ? 1.0f : request.strength[at], image_shape_, x, scratch);
  if (standardization_.pixels) normalize(mean_.data<float>(), deviation_.data<float>(), n, x);
}

void BatchMaker::assemble(const BatchRequest& request, void* inputs, void* targets) const {
  const auto optional = [&](size_t size, std::string_view name) {
    if (size != 0 && size != request.rows.size())
      throw Error(fmt::format("batches: {} {} for {} rows", size, name, request.rows.size()));
  };
  optional(request.ids.size(), "ids");
  optional(request.strength.size(), "strengths");
  for (const int64_t row : request.rows)
    if (row < 0 || row >= size()) throw Error(fmt::format("batches: row {} of a set with {} samples", row, size()));

  const int64_t n = numel(with_rows(inputs_, 1).shape);
  parallel_for(static_cast<int64_t>(request.rows.size()), grain(), [&](int64_t begin, int64_t end) {
    std::vector<float> scratch;
    for (int64_t i = begin; i < end; ++i) {
      const auto at = static_cast<size_t>(i);
      if (form_ == InputForm::prepared) prepare(request, at, static_cast<float*>(inputs) + i * n, scratch);
      else copy_row(inputs_, request.rows[at], i, inputs);
      if (has_targets()) copy_row(targets_, request.rows[at], i, targets);
    }
  });
}

std::pair<Tensor, Tensor> BatchMaker::assemble(const BatchRequest& request) const {
  const auto rows = static_cast<int64_t>(request.rows.size());
  const Array inputs(inputs_spec(rows));
  if (!has_targets()) {
    assemble(request, inputs.bytes(), nullptr);
    return {constant(inputs), Tensor()};
  }
  const Array targets(targets_spec(rows));
  assemble(request, inputs.bytes(), targets.bytes());
  return {constant(inputs), constant(targets)};
}

}  // namespace telaio::nn
