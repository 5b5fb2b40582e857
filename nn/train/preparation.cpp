#include <telaio/nn/train/preparation.hpp>

#include <algorithm>

#include <fmt/format.h>

namespace telaio::nn {

BatchMaker batch_maker(const Model& model, const Examples& examples, const Standardization& standardization,
                       const Augmentation& augmentation) {
  const Tensor& x = examples.inputs;
  if (!x.defined() || x.rank() == 0) throw Error(fmt::format("model '{}': there are no samples", model.name()));
  Shape sample = x.shape();
  sample.erase(0);
  if (!(sample == model.sample_shape()))
    throw Error(fmt::format("model '{}': expected samples of shape {}, the data have {}", model.name(),
                            to_string(model.sample_shape()), to_string(sample)));
  const bool floats = is_float(model.input_dtype());
  const bool prepared = floats && (x.dtype() == u8 || x.dtype() == f32);
  if (!prepared && x.dtype() != model.input_dtype() && !(floats && is_float(x.dtype())))
    throw Error(fmt::format("model '{}': expected inputs of type {}, the data are {}", model.name(),
                            name_of(model.input_dtype()), name_of(x.dtype())));
  return BatchMaker(x, examples.targets, standardization, augmentation,
                    prepared ? InputForm::prepared : InputForm::as_given);
}

bool has_classes(const Model& model, const Loss& loss) { return loss.classifies() && model.output_shape().rank() <= 1; }

}  // namespace telaio::nn
