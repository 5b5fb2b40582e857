#include <telaio/autograd/array.hpp>

#include <sys/mman.h>
#include <unistd.h>

#include <new>

#include <fmt/format.h>

#include <telaio/autograd/runtime/strided.hpp>

namespace telaio {

std::string to_string(const TensorSpec& spec) {
  return fmt::format("{}{}", name_of(spec.dtype), to_string(spec.shape));
}

Storage::Storage(size_t bytes, Use use)
    : data_(static_cast<std::byte*>(::operator new(bytes, std::align_val_t(alignment)))), bytes_(bytes) {
  if (use == Use::whole) expect_writes(0, bytes);
}

Storage::~Storage() { ::operator delete(data_, std::align_val_t(alignment)); }

void Storage::expect_writes([[maybe_unused]] size_t begin, [[maybe_unused]] size_t end) const {
#ifdef MADV_POPULATE_WRITE
  if (end - begin < worth_asking) return;
  static const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto address = reinterpret_cast<uintptr_t>(data_);
  const uintptr_t first = (address + begin) / page * page, last = (address + end - 1) / page * page;
  // The allocator hands out new memory upwards: where the last whole page is there, so are the others.
  unsigned char there = 0;
  if (mincore(reinterpret_cast<void*>(last - page), page, &there) == 0 && there & 1) return;
  // A kernel that does not know this takes the pages as they are touched.
  madvise(reinterpret_cast<void*>(first), last - first, MADV_POPULATE_WRITE);
#endif
}

Array::Array(const TensorSpec& spec)
    : spec_(spec), strides_(contiguous_strides(spec.shape)), storage_(new Storage(static_cast<size_t>(spec.bytes()))) {}

Array Array::contiguous() const {
  if (is_contiguous()) return *this;
  Array copy(spec_);
  copy_strided(static_cast<int>(size_of(spec_.dtype)), spec_.shape.rank(), spec_.shape.data(), strides_.data(), bytes(),
               copy.bytes());
  return copy;
}

}  // namespace telaio
