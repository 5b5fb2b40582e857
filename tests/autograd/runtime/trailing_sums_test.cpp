// Sums that trail behind the slices of a batch: who computes what when changes nothing.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>

#include <telaio/nn/train/check_finite.hpp>

#include "slice_testing.hpp"

namespace telaio {
namespace {

using namespace testing_slices;

// [n, 1152]ᵀ·[n, 32] has half of that: up to 249 rows they trail, unless what they sum comes from elsewhere.
TEST(TrailingSums, AreThoseOfLittle) {
  const Tensor filter = uniform({3, 3, 1, 32}, random_key(6, 6)).eval(),
               weight = uniform({1152, 32}, random_key(7, 7)).eval();
  const auto features = [&](const Tensor& x) {
    return reshape(max_pool2d(relu(conv2d(x, filter)), 4), {x.dim(0), 1152});
  };
  const auto own = [&](const Tensor& x) {
    const Tensor y = features(x), sums = matmul(transpose(y), matmul(y, weight));
    return List{sums, sums * 2.0, matmul(transpose(y), tanh(matmul(y, weight)))};
  };
  for (const auto& [batch, trailing] : {std::pair(33, 2u), {249, 2u}, {250, 0u}}) {
    const Tensor x = images(batch);
    const Cut found = cut(own, x);
    ASSERT_EQ(found.regions.size(), 1u) << batch;
    EXPECT_EQ(found.regions[0]->trailing().size(), trailing) << batch;
    EXPECT_EQ(found.count("matmul"), 0) << batch;
    const List expected = compile(own, plain)(x), given = compile(own)(x);
    for (size_t i = 0; i < 3; ++i) EXPECT_LT(difference(expected[i], given[i]), 5e-6) << batch << ", result " << i;
  }
  const auto other = [&](const Tensor& x) {
    const Tensor table = uniform({x.dim(0), 32}, random_key(8, 8));
    return List{matmul(transpose(features(x)), table)};
  };
  const Cut found = cut(other, images(64));
  ASSERT_EQ(found.regions.size(), 1u);
  EXPECT_EQ(found.regions[0]->trailing().size(), 0u);
  EXPECT_EQ(found.count("matmul"), 1);
  EXPECT_LT(difference(compile(other, plain)(images(64))[0], compile(other)(images(64))[0]), 5e-6);
}

// What goes through it unchanged, taking so long that all threads come to it; a row that begins with `slow` takes more.
class Waiting final : public Op {
 public:
  static constexpr float slow = 7;
  static inline std::atomic<bool> pending = false;  // until such a row is done
  std::string_view name() const override { return "waiting"; }
  std::vector<TensorSpec> infer(Specs x) const override { return {x[0]}; }
  void run(Views x, Views y, void*) const override {
    std::memcpy(y[0].bytes, x[0].bytes, static_cast<size_t>(x[0].spec->bytes()));
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const int64_t rows = x[0].shape()[0], columns = x[0].numel() / rows;
    for (int64_t i = 0; i < rows; ++i) {
      if (x[0].data<float>()[i * columns] != slow) continue;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      pending = false;
    }
  }
  BatchFlow along_batch(std::span<int> axes, Specs, Specs) const override { return BatchFlow::first_axis(axes); }
};

// A product [m, batch]·[batch, n] that counts its calls, and those before the slow row is done.
class Counting final : public Op {
 public:
  static inline std::atomic<int> before = 0, in_all = 0;
  explicit Counting(bool adds = false) : adds_(adds) {}
  std::string_view name() const override { return "counting"; }
  std::vector<TensorSpec> infer(Specs x) const override { return {{f32, {x[0].shape[0], x[1].shape[1]}}}; }
  void run(Views x, Views y, void*) const override {
    ++in_all;
    if (Waiting::pending) ++before;
    const auto at = [](const View& view, int64_t i, int64_t j) {
      return view.data<float>()[i * (*view.strides)[0] + j * (*view.strides)[1]];
    };
    for (int64_t i = 0; i < y[0].shape()[0]; ++i)
      for (int64_t j = 0; j < y[0].shape()[1]; ++j) {
        float sum = 0;
        for (int64_t k = 0; k < x[1].shape()[0]; ++k) sum += at(x[0], i, k) * at(x[1], k, j);
        float& to = y[0].data<float>()[i * y[0].shape()[1] + j];
        to = adds_ ? to + sum : sum;
      }
  }
  bool takes_strides(size_t) const override { return true; }
  BatchFlow along_batch(std::span<int> axes, Specs, Specs) const override {
    if (axes[0] == 1 && axes[1] == 0) return BatchFlow::summed();
    if (axes[0] == 0 && axes[1] < 0) return BatchFlow::mapped(0);
    return {};
  }
  OpPtr adding() const override { return OpPtr(new Counting(true)); }

 private:
  bool adds_;
};

// A thread that finds no slices left begins with what trails, while others are at work; which one is the last, and how
// long it takes, changes no bit.
TEST(TrailingSums, DoNotWaitForTheSlowest) {
  const auto f = [](const Tensor& x) {
    const Tensor y = apply(OpPtr(new Waiting), {x * 0.5f}, SourceLocation());
    const auto fewer = [&](int64_t n) { return sum(reshape(y, {x.dim(0), n, 4096 / n}), {2}); };
    return List{apply(OpPtr(new Counting), {transpose(fewer(512)), fewer(32)}, SourceLocation())};
  };
  const int64_t batch = 64;
  const Tensor x = rows(batch).eval();
  const Cut found = cut(f, x);
  ASSERT_EQ(found.regions.size(), 1u);
  ASSERT_EQ(found.regions[0]->trailing().size(), 1u);
  const auto pieces = static_cast<int>(found.regions[0]->trailing().pieces());
  ASSERT_GE(pieces, 4);
  const auto compiled = compile(f);
  Tensor expected;
  const auto slow_in = [&](int64_t row) {
    return where(equal(arange(batch * 4096), row * 4096), 2 * Waiting::slow, reshape(x, {batch * 4096}));
  };
  for (const int threads : {1, 2, 4}) {
    const ThreadLimit limit(threads);
    for (const int64_t row : {int64_t{3}, batch / 2, batch - 1}) {
      const Tensor data = reshape(slow_in(row), {batch, 4096}).eval();
      Counting::before = Counting::in_all = 0;
      Waiting::pending = true;
      const Tensor sums = compiled(data)[0].eval();
      EXPECT_EQ(Counting::in_all, 2 * pieces);
      if (threads == 1 || row != batch - 1) {
        EXPECT_EQ(Counting::before, 0);
      } else if (threads == 2) {
        EXPECT_GT(Counting::before, 0);
      }
      EXPECT_LT(difference(compile(f, plain)(data)[0], sums), 5e-6);
      if (row != batch - 1) continue;
      if (threads == 1) expected = sums;
      EXPECT_TRUE(same_bits(sums, expected)) << threads << " threads";
    }
  }
}

TEST(TrailingSums, TellTheChecks) {
  for (const DType dtype : {f32, f64}) {
    const auto f = [](const Tensor& x) {
      const Tensor y = worked(x);
      const auto fewer = [&](int64_t n) { return sum(reshape(y, {x.dim(0), n, 4096 / n}), {2}); };
      const Tensor product = matmul(transpose(fewer(512)), fewer(32));
      return List{nn::check_finite(sum(tanh(x)), {product}, {"w"}), product};
    };
    const Tensor x = cast(rows(64), dtype);
    const Cut found = cut(f, x);
    ASSERT_EQ(found.regions.size(), 1u);
    ASSERT_EQ(found.regions[0]->trailing().size(), 1u);
    for (const Node* node : topological_order(found.graph.roots())) {
      if (node->op().name() == "check_finite") {
        EXPECT_EQ(node->inputs()[1].rank(), 0);
      }
    }
    const auto compiled = compile(f);
    const auto message = [&](const Tensor& data) -> std::string {
      try {
        compiled(data);
      } catch (const Error& error) {
        const std::string text = error.what();
        return text.substr(0, text.find('\n'));
      }
      return "";
    };
    const auto at = [&](int64_t row, int64_t column) {
      return reshape(cast(equal(arange(64 * 4096), row * 4096 + column), dtype), {64, 4096});
    };
    EXPECT_EQ(message(x), "");
    for (const int64_t row : {0, 40, 63})
      for (const int64_t column : {0, 2000, 4095})
        EXPECT_NE(message(x - at(row, column) * 1000.0).find("the gradient of 'w' has an infinity"), std::string::npos)
            << row << ", " << column;
  }
}

}  // namespace
}  // namespace telaio
