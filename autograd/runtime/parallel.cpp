#include <telaio/autograd/runtime/parallel.hpp>

#include <algorithm>

#include <oneapi/tbb/blocked_range.h>
#include <oneapi/tbb/parallel_for.h>

namespace telaio {

void parallel_for(int64_t count, int64_t grain, FunctionRef<void(int64_t, int64_t)> body) {
  if (count <= 0) return;
  grain = std::max<int64_t>(grain, 1);
  const int64_t chunks = (count - 1) / grain + 1;
  if (chunks == 1) return body(0, count);
  tbb::parallel_for(
      tbb::blocked_range<int64_t>(0, chunks, 1),
      [&](const tbb::blocked_range<int64_t>& range) {
        for (int64_t chunk = range.begin(); chunk != range.end(); ++chunk)
          body(chunk * grain, std::min(count, (chunk + 1) * grain));
      },
      tbb::simple_partitioner());
}

}  // namespace telaio
