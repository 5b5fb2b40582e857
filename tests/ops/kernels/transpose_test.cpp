#include <gtest/gtest.h>

#include <cstdint>
#include <numeric>
#include <vector>

#include <telaio/ops/kernels/transpose.hpp>

#include "for_each_simd_target.hpp"

namespace telaio::kernels {
namespace {

// Every element in its place, and nothing written beside them.
template <class T>
void check_sizes() {
  for (const int64_t rows : {0, 1, 2, 3, 4, 5, 15, 16, 17, 31, 32, 36, 50}) {
    for (const int64_t columns : {0, 1, 2, 3, 4, 7, 8, 15, 16, 17, 20, 32, 49}) {
      const int64_t src_step = columns + 3, dst_step = rows + 5;
      std::vector<T> src(static_cast<size_t>(rows * src_step)), dst(static_cast<size_t>(columns * dst_step), T(-1));
      std::iota(src.begin(), src.end(), T(1));
      transpose(src.data(), src_step, rows, columns, dst.data(), dst_step);
      for (int64_t p = 0; p < columns; ++p) {
        for (int64_t j = 0; j < dst_step; ++j) {
          const T expected = j < rows ? src[static_cast<size_t>(j * src_step + p)] : T(-1);
          ASSERT_EQ(dst[static_cast<size_t>(p * dst_step + j)], expected)
              << rows << " x " << columns << ": row " << j << ", column " << p;
        }
      }
    }
  }
}

TEST(Transpose, PutsEveryElementInItsPlace) {
  for_each_simd_target([] {
    check_sizes<float>();
    check_sizes<double>();
  });
}

}  // namespace
}  // namespace telaio::kernels
