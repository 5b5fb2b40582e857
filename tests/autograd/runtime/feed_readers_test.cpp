// Products that are never in memory as a whole, since what reads them takes them piece by piece: the same bits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include <telaio/autograd/node.hpp>
#include <telaio/nn/networks.hpp>
#include <telaio/nn/train/check_finite.hpp>
#include <telaio/nn/train/trainer.hpp>
#include <telaio/telaio.hpp>

#include "../../message_of.hpp"
#include "../../ops/kernels/for_each_simd_target.hpp"

namespace telaio {
namespace {

using testing::HasSubstr;
using List = std::vector<Tensor>;
using Function = std::function<List(const List&)>;

std::string bytes_of(const List& tensors) {
  std::string bytes;
  for (const Tensor& tensor : tensors) {
    const Array value = tensor.value().contiguous();
    bytes.append(reinterpret_cast<const char*>(value.bytes()), static_cast<size_t>(value.spec().bytes()));
  }
  return bytes;
}

// a [k,m] and b [k,n], as in the gradient by a weight, and two of the product's shape.
List operands(int64_t m, int64_t k, int64_t n, DType dtype = f32) {
  const auto values = [&](int64_t rows, int64_t columns, int64_t key) {
    return uniform({rows, columns}, random_key(key), -1, 1, dtype).eval();
  };
  return {values(k, m, 1), values(k, n, 2), values(m, n, 3), abs(values(m, n, 4)).eval()};
}
Tensor product(const List& x) { return matmul(transpose(x[0]), x[1]); }

int64_t count(const Function& f, const List& x, std::string_view part) {
  int64_t found = 0;
  const auto compiled = compile(f);
  for (const Node* node : topological_order(compiled.graph(x)))
    found += node->op().name().find(part) != std::string_view::npos ? 1 : 0;
  return found;
}
bool feeds(const Function& f, const List& x) { return count(f, x, "matmul+") == 1; }

void expect_same_bits(const Function& f, const List& x) {
  kernels::for_each_simd_target([&] {
    const std::string expected = bytes_of(compile(f, {.fuse = false, .slice = false})(x));
    for (int threads : {1, 3}) {
      const ThreadLimit limit(threads);
      EXPECT_TRUE(bytes_of(compile(f)(x)) == expected) << threads << " threads";
    }
  });
}

TEST(FeedReaders, AProductGoesToWhatFollowsInPieces) {
  const auto scaled = [](const List& x) { return List{product(x) * 0.5}; };
  const auto several = [](const List& x) { return List{x[2] - tanh(product(x) * x[3])}; };
  const auto two_results = [](const List& x) {
    const Tensor m = x[2] * 0.9 + product(x) * 0.1;
    return List{m, x[3] - m};
  };
  const auto by_argument = [](const List& x) { return List{x[2] - product(x) * mean(x[3])}; };
  for (const auto& [m, k, n] :
       {std::array<int64_t, 3>{784, 128, 512}, {300, 40, 300}, {1001, 7, 77}, {270, 100, 256}}) {
    SCOPED_TRACE(::testing::Message() << m << "x" << k << "x" << n);
    for (const DType dtype : {f32, f64}) {
      const List x = operands(m, k, n, dtype);
      for (const Function& f : {Function(scaled), Function(several), Function(two_results), Function(by_argument)}) {
        EXPECT_TRUE(feeds(f, x));
        expect_same_bits(f, x);
      }
    }
  }
}

TEST(FeedReaders, WhatFollowsMayHaveAnotherType) {
  const List x = operands(300, 40, 300);
  const auto f = [](const List& t) { return List{cast(product(t), f64) * cast(t[2], f64)}; };
  EXPECT_TRUE(feeds(f, x));
  expect_same_bits(f, x);
}

TEST(FeedReaders, NeedsNoMemoryForTheProduct) {
  const List x = operands(784, 128, 512);
  const auto f = [](const List& t) { return List{t[2] - product(t) * 0.1}; };
  const auto bytes = [&](bool fuse) { return compile(Function(f), {.fuse = fuse}).planned_bytes(x); };
  constexpr int64_t of_product = 784 * 512 * 4;
  EXPECT_GE(bytes(false), of_product);
  EXPECT_LT(bytes(true), of_product / 2);
}

TEST(FeedReaders, AnotherSimdTargetMayRunWhatOneCompiled) {
  const List x = operands(300, 40, 300), wide = operands(200, 20, 2000);
  const auto f = [](const List& t) { return List{t[2] - product(t) * 0.1}; };
  const auto compiled = compile(Function(f));
  const std::string expected = bytes_of(compile(Function(f), {.fuse = false})(x));
  const std::string expected_wide = bytes_of(compile(Function(f), {.fuse = false})(wide));
  const std::string before = kernels::simd_target();
  std::vector<std::string> targets = kernels::simd_targets();
  std::reverse(targets.begin(), targets.end());  // compiled for the least
  for (const std::string& target : targets) {
    kernels::set_simd_target(target);
    // Multiply-adds round once where a target has them.
    const List y = compiled(x), y_wide = compiled(wide);
    EXPECT_LT(max(abs(y[0] - compile(Function(f), {.fuse = false})(x)[0])).item<float>(), 1e-5) << target;
    EXPECT_LT(max(abs(y_wide[0] - compile(Function(f), {.fuse = false})(wide)[0])).item<float>(), 1e-5) << target;
  }
  kernels::set_simd_target(before);
  EXPECT_TRUE(bytes_of(compiled(x)) == expected);
  EXPECT_TRUE(bytes_of(compiled(wide)) == expected_wide);
}

TEST(FeedReaders, FactorsMayLieAnyHow) {
  const List x = operands(300, 40, 300);
  const auto f = [](const List& t) {
    return List{matmul(transpose(t[0]), flip(transpose(transpose(t[1])), {0})) + t[2]};
  };
  EXPECT_TRUE(feeds(f, x));
  expect_same_bits(f, x);
}

TEST(FeedReaders, WhatIsReadOtherwiseIsInMemory) {
  const List x = operands(300, 40, 300);
  const Function functions[] = {
      [](const List& t) { return List{product(t)}; },
      [](const List& t) {
        const Tensor y = product(t);
        return List{y * 2, y};
      },
      [](const List& t) {
        const Tensor y = product(t);
        return List{y * t[2], sum(y)};
      },
      [](const List& t) { return List{product(t) * transpose(t[2])}; },                 // lies across
      [](const List& t) { return List{product(t) * slice(t[2], 0, 0, 1)}; },            // a row for all
      [](const List& t) { return List{sum(product(t), {0})}; },                         // not by elements
      [](const List& t) { return List{transpose(product(t)) * 2 + transpose(t[2])}; },  // seen through a view
  };
  for (const Function& f : functions) {
    EXPECT_FALSE(feeds(f, x));
    expect_same_bits(f, x);
  }
}

TEST(FeedReaders, ASmallProductOrALongSumIsInMemory) {
  const auto f = [](const List& t) { return List{product(t) * 0.5}; };
  EXPECT_FALSE(feeds(f, operands(100, 40, 100)));
  EXPECT_FALSE(feeds(f, operands(300, 300, 300)));
  EXPECT_FALSE(feeds(f, operands(3000, 400, 3000)));
}

TEST(FeedReaders, AProductTimesItselfIsInMemory) {
  const List x = operands(300, 40, 300);
  const auto f = [](const List& t) {
    const Tensor y = product(t);
    return List{y * y};
  };
  expect_same_bits(f, x);
}

TEST(FeedReaders, OfTwoProductsOneIsInMemory) {
  const List x = operands(300, 40, 300);
  const auto f = [](const List& t) { return List{product(t) * matmul(transpose(t[0] * 2), t[1])}; };
  EXPECT_TRUE(feeds(f, x));
  expect_same_bits(f, x);
}

// An update of w by a product that is checked: as a step of training does it.
struct Step {
  Variable w;
  std::function<Tensor(const Tensor&, const Tensor&)> run;

  explicit Step(const Tensor& initial, CompileOptions options = {})
      : w("w", initial),
        run(compile(
            [w = w](const Tensor& a, const Tensor& b) mutable {
              const Tensor g = matmul(transpose(a), b);
              const Tensor loss = nn::check_finite(sum(b), {g}, {"w"});
              w.assign(w - g * 0.01);
              return loss;
            },
            options)) {}
};

TEST(FeedReaders, VariablesAreUpdatedInPlace) {
  const List x = operands(784, 128, 512);
  for (int threads : {1, 3}) {
    const ThreadLimit limit(threads);
    Step pieces(x[2]), whole(x[2], {.fuse = false});
    for (int i = 0; i < 3; ++i) {
      pieces.run(x[0], x[1]);
      whole.run(x[0], x[1]);
    }
    EXPECT_TRUE(bytes_of({pieces.w.read()}) == bytes_of({whole.w.read()})) << threads;
  }
}

TEST(FeedReaders, AFactorMayBeWhatIsUpdated) {
  const List x = operands(300, 300, 300);
  const auto updated = [&](CompileOptions options) {
    Variable w("w", x[0]);
    compile([&](const Tensor& b) { w.assign(w - matmul(slice(w, 1, 0, 40), slice(b, 0, 0, 40)) * 0.01); },
            options)(x[1]);
    return bytes_of({w.read()});
  };
  EXPECT_TRUE(updated({}) == updated({.fuse = false}));
}

TEST(FeedReaders, AProductThatIsNotFiniteIsFoundBeforeAnythingIsAssigned) {
  const float inf = std::numeric_limits<float>::infinity();
  const List x = operands(300, 40, 300);
  const auto with = [](const Tensor& t, int64_t row, int64_t column, float value) {
    const Tensor rows = reshape(arange(t.dim(0)), {-1, 1}), columns = arange(t.dim(1));
    return where(logical_and(rows == row, columns == column), value, t).eval();
  };
  // The first line of the message, which is the same without any fusing.
  const auto outcome = [&](const Tensor& a, const Tensor& b) {
    std::string lines[2];
    for (const bool fuse : {false, true}) {
      Step step(x[2], {.fuse = fuse});
      const std::string message = message_of([&] { step.run(a, b); });
      EXPECT_EQ(message == "no error", bytes_of({step.w.read()}) != bytes_of({x[2]})) << message;
      lines[fuse] = message.substr(0, message.find('\n'));
    }
    EXPECT_EQ(lines[0], lines[1]);
    return lines[1];
  };
  kernels::for_each_simd_target([&] {
    EXPECT_EQ(outcome(x[0], x[1]), "no error");
    for (const auto& [row, column] : {std::pair<int64_t, int64_t>{0, 0}, {39, 299}, {17, 133}}) {
      for (const float special : {inf, -inf, std::nanf("")}) {
        const char* what = std::isnan(special) ? "the gradient of 'w' has nan" : "the gradient of 'w' has an infinity";
        EXPECT_THAT(outcome(with(x[0], row, column, special), x[1]), HasSubstr(what));
        // In b it is in the loss, too, which is looked at first.
        EXPECT_THAT(outcome(x[0], with(x[1], row, column, special)), HasSubstr("the loss is"));
      }
    }
    // Infinities that meet a zero; finite factors of a product beyond the range; and of one within, though they give no
    // hint of it.
    EXPECT_THAT(outcome(with(x[0], 5, 7, inf), with(x[1], 5, 9, 0)), HasSubstr("the gradient of 'w' has nan"));
    EXPECT_THAT(outcome(with(x[0], 5, 7, 2e25F), with(x[1], 5, 9, -2e25F)), HasSubstr("has an infinity"));
    EXPECT_EQ(outcome(with(x[0], 5, 7, 2e25F), with(x[1], 6, 9, 1e25F)), "no error");
  });
}

// What a step of training is made of, with every optimizer: on one thread, on several, and without any fusing.
TEST(FeedReaders, ATrainingStepHasTheBitsOfItsOps) {
  for (const char* optimizer : {"adam", "adamw,weight_decay=0.01", "sgd,momentum=0.9", "rmsprop", "adagrad"}) {
    SCOPED_TRACE(optimizer);
    const List x = operands(300, 40, 300);
    const auto steps = [&](CompileOptions options) {
      Variable w("w", x[2]);
      const nn::OptimizerState state(nn::parse_optimizer(optimizer), {w});
      const auto step = compile(
          [&](const Tensor& a, const Tensor& b, const Tensor& rate, const Tensor& number) {
            const Tensor g = matmul(transpose(a), b);
            const Tensor loss = nn::check_finite(sum(b), {g}, {"w"});
            state.apply({g}, rate, number);
            return loss;
          },
          options);
      for (int i = 1; i <= 3; ++i) step(x[0], x[1], Tensor(0.01), Tensor(static_cast<double>(i)));
      EXPECT_EQ(options.fuse, [&] {
        for (const Node* node : topological_order(step.graph(x[0], x[1], Tensor(0.01), Tensor(1.0))))
          if (node->op().name().starts_with("matmul+")) return true;
        return false;
      }());
      return bytes_of({w.read()});
    };
    const std::string expected = steps({.fuse = false});
    for (int threads : {1, 3}) {
      const ThreadLimit limit(threads);
      EXPECT_TRUE(steps({}) == expected) << threads;
    }
  }
}

TEST(FeedReaders, TheDenseNetUpdatesItsLargeWeightsOnTheWay) {
  const nn::Model model(nn::network_named("dense"), {28, 28, 1}, {.name = "dense"});
  const Tensor x = uniform({128, 28, 28, 1}, random_key(1)).eval(),
               y = cast(floor(uniform({128}, random_key(2)) * 10), i64).eval();
  const auto after_steps = [&](int threads) {
    const ThreadLimit limit(threads);
    const nn::Model own(nn::network_named("dense"), {28, 28, 1}, {.name = "dense"});
    nn::Trainer trainer(own);
    List values;
    for (int i = 0; i < 3; ++i) values.push_back(trainer.step(x, y).loss);
    for (const Variable& parameter : own.parameters()) values.push_back(parameter.read());
    return bytes_of(values);
  };
  EXPECT_TRUE(after_steps(1) == after_steps(4));
}

}  // namespace
}  // namespace telaio
