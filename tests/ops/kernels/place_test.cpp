#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <random>
#include <vector>

#include <telaio/ops/kernels/place.hpp>
#include <telaio/ops/kernels/reduce.hpp>

namespace telaio::kernels {
namespace {

// Strides of a view into a block of memory: the axes in some order, some of them backwards, with gaps; and where index
// 0 lies.
struct Layout {
  std::vector<int64_t> strides;
  int64_t start = 0, size = 1;

  Layout(const std::vector<int64_t>& shape, bool repeats, std::mt19937& random) : strides(shape.size()) {
    std::vector<size_t> order(shape.size());
    for (size_t a = 0; a < order.size(); ++a) order[a] = a;
    std::shuffle(order.begin(), order.end(), random);
    for (size_t a : order) {
      if (repeats && random() % 4 == 0) continue;
      const int64_t gap = 1 + static_cast<int64_t>(random() % 2);
      strides[a] = size * gap;
      size *= std::max<int64_t>(shape[a], 1) * gap;
      if (random() % 3 == 0) {
        start += (shape[a] - 1) * strides[a];
        strides[a] = -strides[a];
      }
    }
  }
  int64_t at(const std::vector<int64_t>& index) const {
    int64_t place = start;
    for (size_t a = 0; a < index.size(); ++a) place += index[a] * strides[a];
    return place;
  }
};

std::vector<int64_t> random_shape(std::mt19937& random) {
  std::vector<int64_t> shape(random() % 5);
  for (int64_t& size : shape) size = static_cast<int64_t>(random() % 7);
  return shape;
}

bool next(std::vector<int64_t>& index, const std::vector<int64_t>& shape) {
  for (size_t a = shape.size(); a-- > 0;) {
    if (++index[a] < shape[a]) return true;
    index[a] = 0;
  }
  return false;
}

template <class T>
void compare_with_naive(const std::vector<int64_t>& shape, std::mt19937& random) {
  const Layout from(shape, true, random), to(shape, false, random);
  std::vector<T> src(static_cast<size_t>(from.size)), dst(static_cast<size_t>(to.size), T(99));
  for (T& value : src) value = static_cast<T>(random());
  std::vector<T> expected = dst;
  bool empty = false;
  for (int64_t size : shape) empty |= size == 0;
  std::vector<int64_t> index(shape.size());
  if (!empty) {
    do expected[static_cast<size_t>(to.at(index))] = src[static_cast<size_t>(from.at(index))];
    while (next(index, shape));
  }
  place(sizeof(T), static_cast<int>(shape.size()), shape.data(), from.strides.data(),
        empty ? src.data() : src.data() + from.start, to.strides.data(), empty ? dst.data() : dst.data() + to.start);
  EXPECT_EQ(dst, expected);
}

TEST(Place, MovesEachElementBetweenAnyTwoLayouts) {
  std::mt19937 random(20);
  for (int i = 0; i < 300; ++i) {
    const auto shape = random_shape(random);
    compare_with_naive<uint8_t>(shape, random);
    compare_with_naive<uint16_t>(shape, random);
    compare_with_naive<uint32_t>(shape, random);
    compare_with_naive<uint64_t>(shape, random);
  }
}

TEST(Place, CutsLongRows) {
  std::mt19937 random(21);
  compare_with_naive<uint32_t>({3, 100'003}, random);
  compare_with_naive<uint8_t>({70'001}, random);
}

TEST(ReduceScratchLimit, IsEnoughForAnyStrides) {
  std::mt19937 random(22);
  int with_scratch = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::vector<int64_t> shape(1 + random() % 4);
    int64_t elements = 1;
    for (int64_t& size : shape) {
      size = int64_t{1} << random() % 9;
      if (random() % 2 == 0) size += static_cast<int64_t>(random() % static_cast<uint64_t>(size));
      elements *= size;
    }
    const Layout layout(shape, true, random);
    std::array<bool, 4> reduced{};
    int64_t outputs = 1;
    for (size_t a = 0; a < shape.size(); ++a) {
      reduced[a] = random() % 2 == 0;
      if (!reduced[a]) outputs *= shape[a];
    }
    const int rank = static_cast<int>(shape.size());
    const auto check = [&]<class T>(T) {
      const size_t bytes = reduce_scratch_bytes<T>(rank, shape.data(), layout.strides.data(), reduced.data());
      ASSERT_LE(bytes, reduce_scratch_limit(outputs, elements, sizeof(T)));
      with_scratch += bytes > 0;
    };
    check(float{});
    check(double{});
    check(uint8_t{});
  }
  EXPECT_GT(with_scratch, 1000);
}

}  // namespace
}  // namespace telaio::kernels
