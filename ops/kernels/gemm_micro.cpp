#include <telaio/ops/kernels/gemm_micro.hpp>
#include <telaio/ops/kernels/simd_target.hpp>

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "telaio/ops/kernels/gemm_micro.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace telaio::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Rows of the register tile, which is two vectors wide. With one register to broadcast A and two for B:
// 32 registers hold 14 x 2 sums, 16 hold 6 x 2. A plain 4 x 2 where vectors are scalars.
#if HWY_TARGET == HWY_AVX3
constexpr int tile_rows = 14;
#elif HWY_TARGET == HWY_AVX2
constexpr int tile_rows = 6;
#else
constexpr int tile_rows = 4;
#endif
constexpr int tile_vectors = 2;

template <class T>
MicroTile TileOf() {
  return {tile_rows, tile_vectors * static_cast<int64_t>(hn::Lanes(hn::ScalableTag<T>()))};
}

// One register tile of C: `rows` rows, `vectors` vectors wide, of which `columns` elements are stored.
template <int rows, int vectors, BlockOrder order, class T>
HWY_NOINLINE void MultiplyTile(const T* HWY_RESTRICT a, const T* HWY_RESTRICT b, int64_t b_step, int64_t k,
                               T* const* c_rows, int64_t c_column, int64_t columns, bool accumulate) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  constexpr int64_t lanes = hn::MaxLanes(d);
  constexpr int64_t row_step = order == BlockOrder::row_major ? gemm_block_depth<T> : 1;
  constexpr int64_t k_step = order == BlockOrder::row_major ? 1 : gemm_block_rows;

  V sum[rows][vectors];
  HWY_UNROLL(16)
  for (int r = 0; r < rows; ++r) {
    HWY_UNROLL(2)
    for (int v = 0; v < vectors; ++v) sum[r][v] = hn::Zero(d);
  }
  for (int64_t p = 0; p < k; ++p) {
    V b_row[vectors];
    HWY_UNROLL(2)
    for (int v = 0; v < vectors; ++v) b_row[v] = hn::LoadU(d, b + v * lanes);
    HWY_UNROLL(16)
    for (int r = 0; r < rows; ++r) {
      const V a_element = hn::Set(d, a[r * row_step]);
      HWY_UNROLL(2)
      for (int v = 0; v < vectors; ++v) sum[r][v] = hn::MulAdd(a_element, b_row[v], sum[r][v]);
    }
    a += k_step;
    b += b_step;
  }

  if (columns == vectors * lanes) {
    HWY_UNROLL(16)
    for (int r = 0; r < rows; ++r) {
      T* c = c_rows[r] + c_column;
      HWY_UNROLL(2)
      for (int v = 0; v < vectors; ++v) {
        if (accumulate) sum[r][v] = hn::Add(hn::LoadU(d, c + v * lanes), sum[r][v]);
        hn::StoreU(sum[r][v], d, c + v * lanes);
      }
    }
    return;
  }
  HWY_ALIGN T tile[rows][vectors * lanes];
  HWY_UNROLL(16)
  for (int r = 0; r < rows; ++r) {
    HWY_UNROLL(2)
    for (int v = 0; v < vectors; ++v) hn::Store(sum[r][v], d, tile[r] + v * lanes);
  }
  for (int r = 0; r < rows; ++r) {
    T* c = c_rows[r] + c_column;
    for (int64_t j = 0; j < columns; ++j) c[j] = accumulate ? c[j] + tile[r][j] : tile[r][j];
  }
}

// One panel of B against all rows of the block: whole tiles, then the rest in halving steps, so that no row is
// computed in vain and none beyond the block is read.
template <int rows, int vectors, BlockOrder order, class T>
void MultiplyPanel(const BlockProduct<T>& block, const T* b, int64_t c_column, int64_t columns, int64_t i) {
  constexpr int64_t row_step = order == BlockOrder::row_major ? gemm_block_depth<T> : 1;
  for (; i + rows <= block.m; i += rows) {
    MultiplyTile<rows, vectors, order>(block.a + i * row_step, b, block.b_row_step, block.k, block.c_rows + i, c_column,
                                       columns, block.accumulate);
  }
  if constexpr (rows > 1) {
    constexpr int fewer = rows > 8 ? 8 : rows > 4 ? 4 : rows / 2;
    if (i < block.m) MultiplyPanel<fewer, vectors, order>(block, b, c_column, columns, i);
  }
}

template <BlockOrder order, class T>
void MultiplyPanels(const BlockProduct<T>& block) {
  constexpr int64_t lanes = hn::MaxLanes(hn::ScalableTag<T>());
  constexpr int64_t panel = tile_vectors * lanes;
  static_assert(panel <= widest_micro_tile<T>);
  const T* b = block.b;
  for (int64_t j = 0; j < block.n; j += panel, b += block.b_panel_step) {
    const int64_t columns = std::min(panel, block.n - j);
    if (columns > lanes) {
      MultiplyPanel<tile_rows, tile_vectors, order>(block, b, block.c_column + j, columns, 0);
    } else {
      MultiplyPanel<tile_rows, 1, order>(block, b, block.c_column + j, columns, 0);
    }
  }
}

template <class T>
void MultiplyBlock(const BlockProduct<T>& block) {
  if (block.a_order == BlockOrder::row_major) return MultiplyPanels<BlockOrder::row_major>(block);
  return MultiplyPanels<BlockOrder::column_major>(block);
}

MicroTile TileF32() { return TileOf<float>(); }
MicroTile TileF64() { return TileOf<double>(); }
void MultiplyBlockF32(const BlockProduct<float>& block) { MultiplyBlock(block); }
void MultiplyBlockF64(const BlockProduct<double>& block) { MultiplyBlock(block); }

}  // namespace telaio::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace telaio::kernels {

TELAIO_EXPORT(TileF32);
TELAIO_EXPORT(TileF64);
TELAIO_EXPORT(MultiplyBlockF32);
TELAIO_EXPORT(MultiplyBlockF64);

template <>
MicroTile micro_tile<float>() {
  return TELAIO_DISPATCH(TileF32)();
}
template <>
MicroTile micro_tile<double>() {
  return TELAIO_DISPATCH(TileF64)();
}
template <>
void multiply_block(const BlockProduct<float>& block) {
  TELAIO_DISPATCH(MultiplyBlockF32)(block);
}
template <>
void multiply_block(const BlockProduct<double>& block) {
  TELAIO_DISPATCH(MultiplyBlockF64)(block);
}

}  // namespace telaio::kernels
#endif  // HWY_ONCE
