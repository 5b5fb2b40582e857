// A convolutional classifier written only with tensor ops.
//
// There are no layers here and no trainer: this is what they are made of. Five ideas are enough.
//
//   Tensor     a node of a graph. `relu(x)` computes nothing; it says what is to be computed, and checks shapes.
//   Variable   a named slot that keeps a value from one step to the next: the parameters.
//   grad       takes a loss and gives its gradients, which are tensors like any other: more of the same graph.
//   compile    traces a function once, plans its memory and its threads, and replays it from then on.
//   Rng        random keys; the same seed gives the same numbers on any number of threads.
//
// The pictures are made here: ten kinds of strokes on 16×16 pixels, at random places and with noise. The program learns
// them in a few seconds, prints how it gets on, and exits with 1 if it has not learnt them.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <iomanip>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include <telaio/telaio.hpp>

using namespace telaio;

namespace {

constexpr int64_t side = 16;
constexpr int64_t classes = 10;

// Whether class `kind` has ink `dx`, `dy` away from its centre.
bool ink(int64_t kind, int64_t dx, int64_t dy) {
  const int64_t ax = std::abs(dx), ay = std::abs(dy), far = std::max(ax, ay);
  if (far > 4) return false;
  switch (kind) {
    case 0:
      return dy == 0;  // a horizontal stroke
    case 1:
      return dx == 0;  // a vertical one
    case 2:
      return dx == dy;  // falling
    case 3:
      return dx == -dy;  // rising
    case 4:
      return dx == 0 || dy == 0;  // a plus
    case 5:
      return ax == ay;  // a cross
    case 6:
      return far == 4;  // a frame
    case 7:
      return ax + ay <= 3;  // a filled diamond
    case 8:
      return ay == 3;  // two horizontal strokes
    default:
      return ax == 3;  // two vertical ones
  }
}

struct Batch {
  Tensor images;  // u8[N,16,16,1]
  Tensor labels;  // i64[N]
};

Batch draw(int64_t count, std::mt19937& random) {
  std::vector<uint8_t> pixels;
  std::vector<int64_t> labels;
  for (int64_t n = 0; n < count; ++n) {
    const auto kind = static_cast<int64_t>(random() % classes);
    const int64_t cx = 5 + static_cast<int64_t>(random() % 6), cy = 5 + static_cast<int64_t>(random() % 6);
    labels.push_back(kind);
    for (int64_t y = 0; y < side; ++y)
      for (int64_t x = 0; x < side; ++x)
        pixels.push_back(static_cast<uint8_t>((ink(kind, x - cx, y - cy) ? 155 : 0) + random() % 100));
  }
  return {from_data(pixels, {count, side, side, 1}), from_data(labels, {count})};
}

// Uniform in ±√(6/(inputs + outputs)): Glorot and Bengio 2010.
Variable weight(const std::string& name, const Shape& shape, int64_t inputs, int64_t outputs, Rng& rng) {
  const double limit = std::sqrt(6.0 / static_cast<double>(inputs + outputs));
  return Variable(name, uniform(shape, rng.next(), -limit, limit));
}

// Two convolutions and a dense layer. Images are [batch, height, width, channels].
struct Classifier {
  Rng rng{1};
  Variable filter1 = weight("conv1.filter", {3, 3, 1, 8}, 3 * 3 * 1, 3 * 3 * 8, rng);
  Variable bias1 = Variable("conv1.bias", zeros({8}));
  Variable filter2 = weight("conv2.filter", {3, 3, 8, 16}, 3 * 3 * 8, 3 * 3 * 16, rng);
  Variable bias2 = Variable("conv2.bias", zeros({16}));
  Variable weight3 = weight("dense.weight", {2 * 2 * 16, classes}, 2 * 2 * 16, classes, rng);
  Variable bias3 = Variable("dense.bias", zeros({classes}));

  std::vector<Variable> parameters() const { return {filter1, bias1, filter2, bias2, weight3, bias3}; }

  // u8[N,16,16,1] → f32[N,10]: a number for each class, the largest for the likeliest.
  Tensor logits(const Tensor& images) const {
    Tensor x = cast(images, f32) / 255;
    x = max_pool2d(relu(conv2d(x, filter1) + bias1), 2);  // [N,14,14,8] → [N,7,7,8]
    x = max_pool2d(relu(conv2d(x, filter2) + bias2), 2);  // [N,5,5,16] → [N,2,2,16]
    return matmul(flatten(x, 1), weight3) + bias3;        // [N,64]·[64,10] → [N,10]
  }
};

}  // namespace

int main() {
  Classifier model;
  std::vector<Variable> parameters = model.parameters();
  std::vector<Variable> momenta;
  for (const Variable& p : parameters) momenta.emplace_back(p.name() + ".momentum", zeros(p.shape()));

  // One step of gradient descent with momentum. The loss, its gradients and the updates are one graph; compiled, it
  // updates the parameters in place. The rate is an argument, so it may change without tracing again.
  const auto train = compile([&](const Tensor& images, const Tensor& labels, const Tensor& rate) {
    const Tensor loss = cross_entropy(model.logits(images), labels);
    const std::vector<Tensor> gradients = grad(loss, {parameters.begin(), parameters.end()});
    for (size_t i = 0; i < parameters.size(); ++i) {
      const Tensor momentum = momenta[i] * 0.9 + gradients[i];
      momenta[i].assign(momentum);
      parameters[i].assign(parameters[i] - momentum * rate);
    }
    return loss;
  });
  const auto accuracy = compile([&](const Tensor& images, const Tensor& labels) {
    return mean(cast(argmax(model.logits(images)) == labels, f32));
  });

  std::mt19937 random(1);
  const Batch unseen = draw(1000, random);
  std::cout << "step   loss    accuracy on 1000 unseen pictures\n" << std::fixed;
  float right = 0;
  for (int step = 1; step <= 300; ++step) {
    const Batch batch = draw(64, random);
    const float loss = train(batch.images, batch.labels, step <= 200 ? 0.05 : 0.01).item<float>();
    if (step != 1 && step % 50 != 0) continue;
    right = accuracy(unseen.images, unseen.labels).item<float>();
    std::cout << std::setw(4) << step << std::setprecision(4) << std::setw(9) << loss << std::setprecision(1)
              << std::setw(8) << 100 * right << " %\n";
  }
  // Guessing gives 10 %.
  return right > 0.95f ? 0 : 1;
}
