// What both sparse gradients of conv2d_pool.hpp hold in registers, for each target.
//
// The window of one position, [kh, kw, c], is kh lines of kw * c contiguous elements in a compact image, and so many
// whole vectors. What a chosen place contributes to all of them is one number of gy times one vector each. The vectors
// are taken in blocks of some lines and some vectors of a line, as many as there are registers for sums.

#if defined(TELAIO_CONV2D_POOL_BLOCKS_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef TELAIO_CONV2D_POOL_BLOCKS_INL_HPP
#undef TELAIO_CONV2D_POOL_BLOCKS_INL_HPP
#else
#define TELAIO_CONV2D_POOL_BLOCKS_INL_HPP
#endif

#include <hwy/highway.h>

#include <cstdint>
#include <type_traits>

HWY_BEFORE_NAMESPACE();
namespace telaio::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

constexpr int block_lines = 3;
#if HWY_TARGET == HWY_AVX3
constexpr int block_vectors = 6;
#else
constexpr int block_vectors = 4;
#endif

template <int lines, int vectors, class Body>
HWY_INLINE void ForVectors(int64_t line_vectors, int64_t line, int64_t v, const Body& body) {
  for (; v + vectors <= line_vectors; v += vectors) {
    body(std::integral_constant<int, lines>(), std::integral_constant<int, vectors>(), line, v);
  }
  if constexpr (vectors > 1) {
    if (v < line_vectors) ForVectors<lines, vectors / 2>(line_vectors, line, v, body);
  }
}

// Calls body(lines, vectors, line, v) for blocks that cover kh lines of line_vectors vectors; the former two are
// compile-time constants.
template <class Body>
HWY_INLINE void ForBlocks(int64_t kh, int64_t line_vectors, const Body& body) {
  int64_t line = 0;
  for (; line + block_lines <= kh; line += block_lines)
    ForVectors<block_lines, block_vectors>(line_vectors, line, 0, body);
  for (; line < kh; ++line) ForVectors<1, block_vectors>(line_vectors, line, 0, body);
}

}  // namespace telaio::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
