// The strided driver against naive loops over indices, on random extents.
#include <gtest/gtest.h>

#include <telaio/autograd/runtime/strided.hpp>
#include <telaio/autograd/shape.hpp>

#include <array>
#include <atomic>
#include <cstring>
#include <numeric>
#include <random>
#include <vector>

#include <oneapi/tbb/global_control.h>

namespace telaio {
namespace {

constexpr uint64_t seed = 20240613;

/// A random view: memory, and strides that are permuted, stretched, flipped or zero.
template <class T>
struct View {
  std::vector<T> memory;
  std::vector<int64_t> strides;
  const T* origin = nullptr;

  View(const std::vector<int64_t>& shape, std::mt19937_64& random, bool contiguous = false) {
    const int rank = static_cast<int>(shape.size());
    std::vector<int> order(rank);  // innermost first
    for (int i = 0; i < rank; ++i) order[i] = rank - 1 - i;
    if (!contiguous && random() % 2 == 0) std::shuffle(order.begin(), order.end(), random);
    strides.assign(rank, 0);
    int64_t extent = 1;
    int64_t start = 0;
    for (int axis : order) {
      if (!contiguous && random() % 5 == 0) continue;  // broadcast
      if (!contiguous && random() % 5 == 0) extent += 1 + static_cast<int64_t>(random() % 3);
      strides[axis] = extent;
      if (!contiguous && random() % 5 == 0) {
        strides[axis] = -extent;
        start += extent * std::max<int64_t>(shape[axis] - 1, 0);
      }
      extent *= std::max<int64_t>(shape[axis], 1);
    }
    memory.resize(static_cast<size_t>(2 * extent + 8));
    for (T& v : memory) v = static_cast<T>(random() % 251);
    origin = memory.data() + start;
  }

  T at(const std::vector<int64_t>& index) const {
    return origin[std::inner_product(index.begin(), index.end(), strides.begin(), int64_t{0})];
  }
};

int64_t elements(const std::vector<int64_t>& shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

/// Calls visit(index) in row-major order.
template <class Visit>
void for_each_index(const std::vector<int64_t>& shape, Visit visit) {
  std::vector<int64_t> index(shape.size(), 0);
  for (int64_t count = elements(shape); count > 0; --count) {
    visit(index);
    for (size_t axis = shape.size(); axis-- > 0;) {
      if (++index[axis] < shape[axis]) break;
      index[axis] = 0;
    }
  }
}

std::vector<int64_t> random_shape(std::mt19937_64& random) {
  constexpr std::array<int64_t, 10> sizes = {1, 1, 2, 3, 5, 7, 16, 33, 70, 130};
  std::vector<int64_t> shape(random() % (max_rank + 1));
  int64_t budget = 60000;
  for (int64_t& size : shape) {
    size = std::min(budget, sizes[random() % sizes.size()]);
    budget /= size;
  }
  if (!shape.empty() && random() % 40 == 0) shape[random() % shape.size()] = 0;
  return shape;
}

std::string print(const std::vector<int64_t>& values) { return testing::PrintToString(values); }

TEST(ForEachChunk, AgreesWithNaiveLoops) {
  std::mt19937_64 random(seed);
  for (int trial = 0; trial < 400; ++trial) {
    const std::vector<int64_t> shape = random_shape(random);
    const View<float> a(shape, random, trial % 4 == 0);
    const View<uint8_t> b(shape, random);
    const View<double> c(shape, random, trial % 7 == 0);
    SCOPED_TRACE("seed " + std::to_string(seed) + ", trial " + std::to_string(trial) + ", shape " + print(shape) +
                 ", strides " + print(a.strides) + print(b.strides) + print(c.strides));

    std::vector<double> want;
    for_each_index(shape, [&](const auto& i) { want.push_back(a.at(i) + 1000.0 * b.at(i) - 1e6 * c.at(i)); });

    const ChunkInput operands[] = {{a.origin, sizeof(float), a.strides.data()},
                                   {b.origin, sizeof(uint8_t), b.strides.data()},
                                   {c.origin, sizeof(double), c.strides.data()}};
    std::vector<double> got(want.size() + 1, -77);
    // 1 cycle: one chunk does. 1000 cycles: many tasks.
    const double cycles = trial % 2 == 0 ? 1 : 1000;
    for_each_chunk(static_cast<int>(shape.size()), shape.data(), operands, got.data(), sizeof(double), cycles,
                   [](const void* const* in, void* out, int64_t n) {
                     const auto* x = static_cast<const float*>(in[0]);
                     const auto* y = static_cast<const uint8_t*>(in[1]);
                     const auto* z = static_cast<const double*>(in[2]);
                     for (int64_t i = 0; i < n; ++i) static_cast<double*>(out)[i] = x[i] + 1000.0 * y[i] - 1e6 * z[i];
                   });
    ASSERT_EQ(got.back(), -77);
    got.pop_back();
    ASSERT_EQ(got, want);
  }
}

TEST(ForEachChunk, NoInputsStillCoversTheOutput) {
  const std::vector<int64_t> shape = {40, 50};
  std::vector<int32_t> out(2000, 0);
  for_each_chunk(2, shape.data(), {}, out.data(), sizeof(int32_t), 1000, [](const void* const*, void* y, int64_t n) {
    for (int64_t i = 0; i < n; ++i) ++static_cast<int32_t*>(y)[i];
  });
  EXPECT_EQ(out, std::vector<int32_t>(2000, 1));
}

TEST(ForEachChunk, HandsContiguousOperandsThroughInOnePiece) {
  const std::vector<int64_t> shape = {4, 1, 5, 6}, strides = {30, 999, 6, 1};
  std::vector<float> x(120), y(120);
  const ChunkInput operand{x.data(), sizeof(float), strides.data()};
  int calls = 0;
  for_each_chunk(4, shape.data(), std::span(&operand, 1), y.data(), sizeof(float), 1,
                 [&](const void* const* in, void* out, int64_t n) {
                   ++calls;
                   EXPECT_EQ(in[0], x.data());
                   EXPECT_EQ(out, y.data());
                   EXPECT_EQ(n, 120);
                 });
  EXPECT_EQ(calls, 1);
}

// [3,1000] + a column [3,1]: the column's buffer is filled at the start of a row and left alone after that.
TEST(ForEachChunk, FillsARepeatedInputOnceARun) {
  const std::vector<int64_t> shape = {3, 1000}, dense = {1000, 1}, column = {1, 0};
  std::vector<float> x(3000), bias = {1, 2, 3}, y(3000);
  const ChunkInput operands[] = {{x.data(), sizeof(float), dense.data()}, {bias.data(), sizeof(float), column.data()}};
  for_each_chunk(2, shape.data(), operands, y.data(), sizeof(float), 1,
                 [&](const void* const* in, void* out, int64_t n) {
                   const auto* b = static_cast<const float*>(in[1]);
                   for (int64_t i = 0; i < n; ++i) static_cast<float*>(out)[i] = b[i];
                   // Vandalism that a refill would hide: the rest of the row must show it.
                   for (int64_t i = 0; i < n; ++i) const_cast<float*>(b)[i] += 10;
                 });
  for (size_t row = 0; row < 3; ++row) {
    EXPECT_EQ(y[row * 1000], bias[row]);
    EXPECT_GT(y[row * 1000 + 999], bias[row] + 5);
  }
}

// Small integers in the positions let float hold every sum exactly; the grain cuts inside runs.
TEST(ForEachChunk, BroadcastsOfEveryPeriod) {
  for (int64_t columns : {1, 2, 3, 10, 63, 64, 65, 511, 512, 513, 5000}) {
    const int64_t rows = 20011 / columns;
    const std::vector<int64_t> shape = {rows, columns}, dense = {columns, 1};
    std::vector<float> x(rows * columns), values(std::max(rows, columns));
    std::iota(x.begin(), x.end(), 0.f);
    std::iota(values.begin(), values.end(), 1.f);
    for (const std::vector<int64_t>& strides : {std::vector<int64_t>{0, 1}, {1, 0}, {0, 0}})
      for (const double cycles : {1.0, 30.0, 300.0}) {
        const ChunkInput operands[] = {{x.data(), sizeof(float), dense.data()},
                                       {values.data(), sizeof(float), strides.data()}};
        std::vector<float> y(x.size(), -1);
        for_each_chunk(2, shape.data(), operands, y.data(), sizeof(float), cycles,
                       [](const void* const* in, void* out, int64_t n) {
                         const auto* a = static_cast<const float*>(in[0]);
                         const auto* b = static_cast<const float*>(in[1]);
                         for (int64_t i = 0; i < n; ++i) static_cast<float*>(out)[i] = a[i] + b[i];
                       });
        for (int64_t row = 0, i = 0; row < rows; ++row)
          for (int64_t column = 0; column < columns; ++column, ++i)
            ASSERT_EQ(y[i], x[i] + values[row * strides[0] + column * strides[1]])
                << columns << " columns, strides " << print(strides) << ", " << cycles << " cycles, element " << i;
      }
  }
}

TEST(ForEachChunk, TheOutputMayBeAContiguousInput) {
  std::mt19937_64 random(seed);
  for (const std::vector<int64_t>& shape : {std::vector<int64_t>{7, 200}, {100, 3}, {5, 4, 130}}) {
    View<float> a(shape, random, true);
    const std::vector<int64_t> none(shape.size(), 0);
    std::vector<int64_t> bias = none;
    bias.back() = 1;
    std::vector<float> b(200);
    std::iota(b.begin(), b.end(), 1.f);
    std::vector<float> want;
    for_each_index(shape, [&](const auto& i) { want.push_back(a.at(i) * b[i.back()]); });
    const ChunkInput operands[] = {{a.origin, sizeof(float), a.strides.data()}, {b.data(), sizeof(float), bias.data()}};
    for_each_chunk(static_cast<int>(shape.size()), shape.data(), operands, a.memory.data(), sizeof(float), 500,
                   [](const void* const* in, void* out, int64_t n) {
                     const auto* x = static_cast<const float*>(in[0]);
                     const auto* y = static_cast<const float*>(in[1]);
                     for (int64_t i = 0; i < n; ++i) static_cast<float*>(out)[i] = x[i] * y[i];
                   });
    EXPECT_TRUE(std::equal(want.begin(), want.end(), a.memory.begin())) << print(shape);
  }
}

TEST(ForEachChunk, ChunksAndResultsDoNotDependOnThreads) {
  std::mt19937_64 random(seed);
  const std::vector<int64_t> shape = {37, 50, 71};
  const View<float> a(shape, random), b(shape, random);
  const ChunkInput operands[] = {{a.origin, sizeof(float), a.strides.data()},
                                 {b.origin, sizeof(float), b.strides.data()}};
  const auto run = [&](size_t threads) {
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, threads);
    std::vector<float> out(static_cast<size_t>(elements(shape)));
    std::atomic<int> chunks{0};
    for_each_chunk(3, shape.data(), operands, out.data(), sizeof(float), 50,
                   [&](const void* const* in, void* y, int64_t n) {
                     ++chunks;
                     const auto* p = static_cast<const float*>(in[0]);
                     const auto* q = static_cast<const float*>(in[1]);
                     // The sum over a chunk would differ if the cuts did.
                     float sum = 0;
                     for (int64_t i = 0; i < n; ++i) static_cast<float*>(y)[i] = sum += p[i] * 0.1f + q[i];
                   });
    return std::pair(out, chunks.load());
  };
  const auto one = run(1), eight = run(8);
  EXPECT_GT(one.second, 8);
  EXPECT_EQ(one.second, eight.second);
  EXPECT_EQ(std::memcmp(one.first.data(), eight.first.data(), one.first.size() * sizeof(float)), 0);
}

template <class T>
void check_copy(const std::vector<int64_t>& shape, const View<T>& view) {
  std::vector<T> want;
  for_each_index(shape, [&](const auto& i) { want.push_back(view.at(i)); });
  std::vector<T> got(want.size() + 1, T(77));
  copy_strided(sizeof(T), static_cast<int>(shape.size()), shape.data(), view.strides.data(), view.origin, got.data());
  ASSERT_EQ(got.back(), T(77));
  got.pop_back();
  ASSERT_EQ(got, want) << "seed " << seed << ", shape " << print(shape) << ", strides " << print(view.strides);
}

TEST(CopyStrided, AgreesWithNaiveLoops) {
  std::mt19937_64 random(seed);
  for (int trial = 0; trial < 300; ++trial) {
    const std::vector<int64_t> shape = random_shape(random);
    check_copy(shape, View<uint8_t>(shape, random));
    check_copy(shape, View<float>(shape, random));
    check_copy(shape, View<int64_t>(shape, random));
  }
}

TEST(CopyStrided, Transposes) {
  std::mt19937_64 random(seed);
  for (int64_t rows : {1, 15, 16, 64, 65, 257})
    for (int64_t columns : {1, 7, 16, 64, 130, 256}) {
      const std::vector<int64_t> shape = {3, rows, columns};
      View<float> view(shape, random, true);
      view.strides = {rows * columns, 1, rows};
      check_copy(shape, view);
    }
}

TEST(Fill, RepeatsThePattern) {
  for (int64_t n : {0, 1, 9, 1000, 1000000}) {
    std::vector<double> d(static_cast<size_t>(n) + 1, -1);
    std::vector<uint8_t> b(static_cast<size_t>(n) + 1, 9);
    const double value = 2.5;
    const uint8_t byte = 7;
    fill_elements(sizeof(double), &value, d.data(), n);
    fill_elements(sizeof(uint8_t), &byte, b.data(), n);
    EXPECT_EQ(std::count(d.begin(), d.end() - 1, 2.5), n);
    EXPECT_EQ(std::count(b.begin(), b.end() - 1, 7), n);
    EXPECT_EQ(d.back(), -1);
    EXPECT_EQ(b.back(), 9);
  }
}

}  // namespace
}  // namespace telaio
