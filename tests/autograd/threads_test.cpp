// The same bits on any number of threads, and really several threads at work.
#include <gtest/gtest.h>

#include <telaio/telaio.hpp>

#include <oneapi/tbb/task_arena.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <set>
#include <thread>

namespace telaio {
namespace {

// Runs f in an arena of so many threads (more than there are cores is fine).
template <class F>
auto with_threads(int threads, F&& f) {
  const ThreadLimit limit(threads);
  tbb::task_arena arena(threads);
  return arena.execute(f);
}

// Counts the threads that run it; waits a little, so that others have work left to take.
class Witness final : public IdentityOp {
 public:
  std::string_view name() const override { return "witness"; }
  bool view(const TensorSpec&, const Strides&, const TensorSpec&, Strides&, int64_t&) const override { return false; }
  void run(Views x, Views y, void* scratch) const override {
    IdentityOp::run(x, y, scratch);
    {
      const std::lock_guard lock(mutex_);
      threads_.insert(std::this_thread::get_id());
      most_ = std::max(most_, ++now_);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const std::lock_guard lock(mutex_);
    --now_;
  }
  double flops(Specs, Specs) const override { return 1e9; }
  size_t threads() const { return threads_.size(); }
  int most() const { return most_; }

 private:
  mutable std::mutex mutex_;
  mutable std::set<std::thread::id> threads_;
  mutable int now_ = 0;
  mutable int most_ = 0;
};

TEST(Threads, IndependentBranchesRunConcurrently) {
  const boost::intrusive_ptr<const Witness> witness(new Witness);
  const auto f = compile([&](const Tensor& x) {
    Tensor total = x;
    for (int branch = 0; branch < 8; ++branch) {
      Tensor h = x * branch;
      for (int i = 0; i < 3; ++i) h = apply(witness, {exp(h)}, TELAIO_HERE);
      total = total + h;
    }
    return total;
  });
  const Tensor x = full({1000}, 0.01);
  const auto eight = with_threads(8, [&] { return f(x).to_vector<float>(); });
  EXPECT_GE(witness->threads(), 2u);
  EXPECT_GE(witness->most(), 2);
  EXPECT_EQ(eight, with_threads(1, [&] { return f(x).to_vector<float>(); }));
}

// 1e-39 is subnormal in f32: ops read it as zero, even where a sum of many would be a normal number.
TEST(Threads, SubnormalsAreZeroOnEveryThread) {
  const auto f = compile([](const Tensor& x) { return std::vector{x * 0.5f, x + x, sum(x), matmul(x, x)}; });
  const Tensor x = full({512, 512}, 1e-39f).eval();
  EXPECT_EQ(x.to_vector<float>()[0], 1e-39f);  // what computes nothing leaves them alone
  const volatile float tiny = 1e-39f;
  for (const int threads : {1, 4}) {
    with_threads(threads, [&] {
      for (const Tensor& y : f(x))
        for (const float value : y.to_vector<float>()) ASSERT_EQ(value, 0) << threads << " threads";
      for (const float value : (x * 0.5f).to_vector<float>()) ASSERT_EQ(value, 0) << threads << " threads";
      EXPECT_NE(tiny * 0.5f, 0);  // the caller's own arithmetic is as it was
    });
  }
}

TEST(Threads, LargeOpsSplitInside) {
  std::mutex mutex;
  std::set<std::thread::id> seen;
  with_threads(8, [&] {
    parallel_for(64, 1, [&](int64_t, int64_t) {
      {
        const std::lock_guard lock(mutex);
        seen.insert(std::this_thread::get_id());
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    });
    return 0;
  });
  EXPECT_GE(seen.size(), 2u);
}

// A step with all the work that could depend on threads: contractions, sums over a batch, branches, random numbers.
std::vector<float> training_step() {
  Variable filter("filter", normal({3, 3, 2, 8}, random_key(1), 0, 0.2));
  Variable weight("weight", normal({8 * 8 * 8, 10}, random_key(2), 0, 0.1));
  Rng rng(5);
  const auto step = compile([&](const Tensor& image, const Tensor& label) {
    const Tensor h = max_pool2d(relu(conv2d(image, filter, {.padding = Padding::same()})), 2);
    const Tensor logits = matmul(dropout(flatten(h, 1), 0.2, rng.next()), weight);
    const Tensor loss = cross_entropy(logits, label);
    const auto g = grad(loss, {filter, weight});
    assign({{filter, filter - 0.1 * g[0]}, {weight, weight - 0.1 * g[1]}});
    return loss;
  });
  const Tensor image = uniform({37, 16, 16, 2}, random_key(3));
  const Tensor label = cast(uniform({37}, random_key(4), 0, 10), i64);
  std::vector<float> bits;
  for (int i = 0; i < 3; ++i) bits.push_back(step(image, label).item<float>());
  for (const Variable& variable : {filter, weight})
    for (float value : variable.read().to_vector<float>()) bits.push_back(value);
  return bits;
}

TEST(Threads, ATrainingStepGivesTheSameBits) {
  const auto one = with_threads(1, training_step);
  EXPECT_LT(one[2], one[0]);
  for (int threads : {2, 4, 8}) EXPECT_EQ(with_threads(threads, training_step), one) << threads << " threads";
}

}  // namespace
}  // namespace telaio
