// Models with branches: a residual block, parallel convolutions, and a layer of one's own.
//
// Layers are built of layers: Sequential puts them in a row, Residual adds a shortcut around them, Parallel joins
// several ways through the net. What these do not say, a struct with a `call` does: it extends the graph with any ops.
// Exits with 1 if the net does not learn, or does not come back from its description unchanged.
#include <iostream>

#include <telaio/nn/nn.hpp>
#include <telaio/telaio.hpp>

using namespace telaio;

namespace {

// Squeeze and excitation (Hu et al. 2017): each channel is weighted by what all channels contain on average. A layer
// needs a type, a name and `call`; `fields` lets JSON describe it. It takes its parameters from inner layers, or asks
// the context for some of its own.
struct SqueezeExcite {
  static constexpr std::string_view type = "squeeze_excite";
  int64_t units = 4;
  std::string name = {};

  Tensor call(const Tensor& x, nn::LayerContext& context) const {
    const int64_t n = x.dim(0), channels = x.dim(3);
    const Tensor squeezed = context(nn::GlobalAveragePool2D{}, x, "squeeze");       // [N,C]
    const Tensor hidden = context(nn::Dense{units, "relu"}, squeezed, "reduce");    // [N,units]
    const Tensor gate = context(nn::Dense{channels, "sigmoid"}, hidden, "excite");  // [N,C]
    return x * reshape(gate, {n, 1, 1, channels});
  }
  void fields(nn::Fields& f) {
    f("units", units);
    f("name", name);
  }
};

}  // namespace

int main() {
  const auto same = Padding::same();
  const nn::Sequential network{
      nn::Conv2D{.filters = 8, .activation = "relu", .padding = same},
      nn::MaxPool2D{2},
      // y = relu(x + conv(relu(conv(x)))), after the channels have been weighted
      nn::Residual{.layers = {nn::Conv2D{.filters = 8, .activation = "relu", .padding = same},
                              nn::Conv2D{.filters = 8, .padding = same}, SqueezeExcite{}},
                   .activation = "relu"},
      nn::MaxPool2D{2},
      // Two windows at once, side by side: 8 + 4 channels.
      nn::Parallel{.branches = {nn::Conv2D{.filters = 8, .kernel = 3, .activation = "relu", .padding = same},
                                nn::Conv2D{.filters = 4, .kernel = 5, .activation = "relu", .padding = same}}},
      nn::GlobalMaxPool2D{},
      nn::Dense{10},
      nn::Softmax{},
  };
  const nn::Model model(network, {28, 28, 1}, {.name = "branches"});
  std::cout << nn::summary(model) << '\n';

  const nn::Dataset digits = nn::make_digits({.train = 4000, .test = 500});
  nn::Trainer trainer(model, {.optimizer = {.learning_rate = 0.01}});
  nn::fit(trainer, digits.train,
          {.epochs = 3,
           .schedule = {.kind = nn::Schedule::Kind::cosine},
           .callbacks = {std::make_shared<nn::ProgressBar>()}});
  const double accuracy = nn::evaluate(model, digits.test).accuracy().value_or(0);

  // The description as JSON, and back. Types of one's own are named to the reader.
  const std::string description = nn::to_json(model.network());
  nn::LayerTypes types = nn::LayerTypes::standard();
  types.add<SqueezeExcite>();
  const bool same_again = nn::to_json(nn::parse_layer(description, "description", types)) == description;
  std::cout << "\naccuracy on unseen digits: " << 100 * accuracy << "%\n";
  return accuracy > 0.7 && same_again ? 0 : 1;
}
