// Every test of this program has the threads from its beginning, however short it is (tests/alone has those of work
// before that).
#include <telaio/autograd/runtime/parallel.hpp>

namespace telaio {
namespace {

const bool started = [] {
  const ThreadLimit limit(thread_count());
  return true;
}();

}  // namespace
}  // namespace telaio
