// How a reduction walks its input: geometry only, no element is touched.
//
// Every reduction becomes the same loop: *rows* of up to 1 KB are combined element by element into a row of
// accumulators, and at the end the row is folded down to its outputs. What makes up a row depends on the strides:
//
//   kept axis contiguous      [R, C] over R      a row is a tile of C outputs, taken in place
//   reduced axis contiguous   [C, R] over R      a row is `glue` neighbours of one output, taken in place
//   few contiguous outputs    [R, 3] over R      a row is `glue` times 3 elements, taken in place
//   anything else                                rows are packed into a buffer first
//
// so that vectors are full in all four, and one kernel serves them.
#pragma once

#include <cstddef>
#include <cstdint>

#include <telaio/ops/kernels/extents.hpp>

namespace telaio::kernels {

struct ReducePlan {
  struct Axis {
    int64_t size, x, y;  // y is 0 for reduced axes
  };
  /// A row of accumulators; 1 KB keeps eleven levels of them in a first-level cache.
  static constexpr int64_t row_bytes = 1024;

  int64_t outputs = 1;  // elements of y
  int64_t length = 1;   // elements that go into each
  int64_t start = 0;    // offset of the first element in x (negative strides of reduced axes are walked forwards)

  Axis kept[max_rank] = {};  // all kept axes but the lane axis
  int kept_rank = 0;
  Axis reduced[max_rank] = {};  // never empty; the last one gives the rows
  int reduced_rank = 0;

  Axis lane = {1, 0, 0};  // outputs that lie side by side in a row
  int64_t tile = 1;       // at most so many of them at a time
  int64_t tiles = 1;      // per position of the kept axes
  int64_t glue = 1;       // indices of the last reduced axis side by side in a row: a power of two
  bool packed = false;    // rows are gathered, not taken in place

  int64_t parts = 1;  // the split axis is cut in so many parts, each with its own partial outputs
  int split = 0;      // index into `reduced`

  int64_t tasks() const { return parts * positions() * tiles; }
  int64_t positions() const { return lane.size == 0 ? 0 : outputs / lane.size; }
  double cycles_per_task() const;
};

/// `may_split`: few outputs of long reductions may be cut into parts, by sizes alone.
ReducePlan plan_reduce(int rank, const int64_t* shape, const int64_t* strides, const bool* reduced, size_t elem_size,
                       bool may_split);

}  // namespace telaio::kernels
