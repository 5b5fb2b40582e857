// A replayed step allocates nothing but the handles of what goes in and comes out: a program of its own, since it
// counts every allocation of the process.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <functional>
#include <vector>

#include <telaio/nn/networks.hpp>
#include <telaio/nn/nn.hpp>
#include <telaio/telaio.hpp>

namespace {

std::atomic<int64_t> allocations{0};

}  // namespace

// glibc lets a program bring its own allocator: these count and pass on. (new calls malloc or aligned_alloc.)
extern "C" {
void* __libc_malloc(size_t bytes);
void* __libc_calloc(size_t count, size_t bytes);
void* __libc_realloc(void* old, size_t bytes);
void* __libc_memalign(size_t alignment, size_t bytes);

void* malloc(size_t bytes) {
  ++allocations;
  return __libc_malloc(bytes);
}
void* calloc(size_t count, size_t bytes) {
  ++allocations;
  return __libc_calloc(count, bytes);
}
void* realloc(void* old, size_t bytes) {
  ++allocations;
  return __libc_realloc(old, bytes);
}
void* memalign(size_t alignment, size_t bytes) {
  ++allocations;
  return __libc_memalign(alignment, bytes);
}
void* aligned_alloc(size_t alignment, size_t bytes) { return memalign(alignment, bytes); }
int posix_memalign(void** result, size_t alignment, size_t bytes) {
  *result = memalign(alignment, bytes);
  return *result ? 0 : ENOMEM;
}
}

using namespace telaio;

namespace {

// Of the windows the smallest counts: TBB's workers may come and go, and its pools of tasks grow, now and then.
int64_t allocations_a_call(const std::function<void()>& call) {
  constexpr int warm_up = 5, windows = 4, calls = 5;
  for (int i = 0; i < warm_up; ++i) call();
  int64_t least = -1;
  for (int window = 0; window < windows; ++window) {
    const int64_t before = allocations;
    for (int i = 0; i < calls; ++i) call();
    const int64_t now = allocations - before;
    least = least < 0 ? now : std::min(least, now);
  }
  EXPECT_EQ(least % calls, 0) << "not the same in each call";
  return least / calls;
}

nn::Layer deep() {
  std::vector<nn::Layer> layers;
  for (int i = 0; i < 4; ++i) {
    layers.push_back(nn::Conv2D{.filters = 8, .kernel = 3, .padding = Padding::same()});
    layers.push_back(nn::BatchNorm{});
    layers.push_back(nn::Activation{"relu"});
  }
  layers.push_back(nn::MaxPool2D{2});
  layers.push_back(nn::Flatten{});
  layers.push_back(nn::Dropout{0.3});
  for (int i = 0; i < 4; ++i) layers.push_back(nn::Dense{16, "tanh"});
  layers.push_back(nn::Dense{10});
  layers.push_back(nn::Softmax{});
  return nn::Sequential(std::move(layers));
}

int64_t allocations_a_step(const nn::Layer& net, int64_t batch, int threads) {
  const ThreadLimit limit(threads);
  nn::Trainer trainer(nn::Model(net, {28, 28, 1}), {});
  const Tensor x = uniform({batch, 28, 28, 1}, random_key(1)).eval();
  const Tensor y = cast(floor(uniform({batch}, random_key(2)) * 10.0), i32).eval();
  return allocations_a_call([&] { trainer.step(x, y); });
}

}  // namespace

TEST(Allocations, AreCounted) {
  EXPECT_GE(allocations_a_call([] { uniform({10}, random_key(1)).eval(); }), 1);
  std::vector<float*> kept;
  kept.reserve(1000);
  EXPECT_EQ(allocations_a_call([&] { kept.push_back(new float(1)); }), 1);
  for (float* one : kept) delete one;
}

// Three numbers go in as tensors and three tensors come out; what lies between (from 20 to 200 ops here) takes nothing.
TEST(Allocations, OfAStepDoNotDependOnTheNetwork) {
  const int64_t handles = allocations_a_step(nn::network_named("linear"), 32, 1);
  EXPECT_LE(handles, 60);
  for (const int threads : {1, 2}) {
    for (const char* name : {"cnn", "dense", "lenet"})
      for (const int64_t batch : {1, 32, 128})
        EXPECT_EQ(allocations_a_step(nn::network_named(name), batch, threads), handles)
            << name << ", batch " << batch << ", " << threads << " threads";
    EXPECT_EQ(allocations_a_step(deep(), 32, threads), handles) << threads << " threads";
  }
}

TEST(Allocations, OfACallDoNotDependOnTheFunction) {
  const Tensor x = uniform({64, 64}, random_key(1)).eval();
  const auto with = [&](int layers, CompileOptions options) {
    const auto f = compile(
        [layers](const Tensor& input) {
          Tensor y = input;
          for (int i = 0; i < layers; ++i) y = softmax(matmul(y, input) + sum(sin(y), {0}, true), 1) - mean(exp(y));
          return y;
        },
        options);
    return allocations_a_call([&] { f(x); });
  };
  const int64_t handles = with(0, {});
  EXPECT_LE(handles, 20);
  EXPECT_EQ(with(1, {}), with(20, {}));
  EXPECT_EQ(with(20, {.simplify = false, .fuse = false, .slice = false, .concurrent = false}), with(20, {}));
}
