#include <telaio/nn/layers.hpp>

namespace telaio::nn {

LayerTypes LayerTypes::standard() {
  LayerTypes types;
  types.add<Dense>().add<Conv2D>().add<DepthwiseConv2D>().add<MaxPool2D>().add<AveragePool2D>();
  types.add<GlobalAveragePool2D>().add<GlobalMaxPool2D>().add<Flatten>().add<Reshape>().add<Rescaling>();
  types.add<Activation>().add<Softmax>().add<Dropout>().add<BatchNorm>().add<LayerNorm>().add<Embedding>();
  types.add<Sequential>().add<Residual>().add<Parallel>();
  return types;
}

}  // namespace telaio::nn
