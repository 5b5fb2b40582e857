#include <telaio/autograd/array.hpp>

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

#include <fmt/format.h>

#include <telaio/autograd/runtime/strided.hpp>

namespace telaio {

std::string to_string(const TensorSpec& spec) {
  return fmt::format("{}{}", name_of(spec.dtype), to_string(spec.shape));
}

namespace {

// A sanitizer looks for what is written behind an array: each must have memory of its own.
#if defined(__SANITIZE_ADDRESS__)
#define TELAIO_ARRAYS_APART 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define TELAIO_ARRAYS_APART 1
#endif
#endif

constexpr size_t huge_page = 2 << 20;

// Asks for a huge page at an address where nothing is yet; whether the kernel has one is another question.
void ask_for_huge_page([[maybe_unused]] std::byte* at) {
#if defined(MADV_POPULATE_WRITE) && defined(MADV_HUGEPAGE)
  if (madvise(at, huge_page, MADV_HUGEPAGE) == 0) madvise(at, 1, MADV_POPULATE_WRITE);
#endif
}

// Whether the page that begins there is in memory.
bool is_there(std::byte* page) {
  unsigned char there = 0;
  return mincore(page, 1, &there) == 0 && there & 1;
}

// The first arrays of a process, as are a network's parameters, lie side by side on one huge page, which costs as much
// as a few dozen small ones. Their place is not given back: it is this page at most.
class FirstArrays {
 public:
  // Null where there is no room, or no huge page.
  std::byte* take(size_t bytes) {
    if (!page_) return nullptr;
    const size_t whole = (bytes + Storage::alignment - 1) / Storage::alignment * Storage::alignment;
    size_t at = used_.load(std::memory_order_relaxed);
    do {
      if (at + whole > huge_page) return nullptr;
    } while (!used_.compare_exchange_weak(at, at + whole, std::memory_order_relaxed));
    return page_ + at;
  }

  static FirstArrays& instance() {
    static FirstArrays arrays;
    return arrays;
  }

 private:
  FirstArrays() {
#ifndef TELAIO_ARRAYS_APART
    const std::align_val_t aligned{huge_page};
    auto* const page = static_cast<std::byte*>(::operator new(huge_page, aligned));
    ask_for_huge_page(page);
    if (is_there(page + huge_page / 2)) page_ = page;
    else ::operator delete(page, aligned);
#endif
  }

  std::byte* page_ = nullptr;
  std::atomic<size_t> used_{0};
};

}  // namespace

// What has room for huge pages, and is written little by little, begins with one.
Storage::Storage(size_t bytes, Use use)
    : bytes_(bytes), aligned_(std::align_val_t{use == Use::partly && bytes >= huge_page ? huge_page : alignment}) {
  if (use == Use::whole && bytes >= worth_asking && bytes < huge_page) data_ = FirstArrays::instance().take(bytes);
  if (data_) {
    aligned_ = {};
    return;
  }
  data_ = static_cast<std::byte*>(::operator new(bytes, aligned_));
  if (use == Use::whole) expect_writes(0, bytes);
}

Storage::~Storage() {
  if (aligned_ != std::align_val_t{}) ::operator delete(data_, aligned_);
}

void Storage::expect_writes([[maybe_unused]] size_t begin, [[maybe_unused]] size_t end) const {
#ifdef MADV_POPULATE_WRITE
  if (end - begin < worth_asking) return;
  static const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto address = reinterpret_cast<uintptr_t>(data_);
  const uintptr_t first = (address + begin) / page * page, last = (address + end) / page * page;
  // The allocator hands out new memory upwards: where the last whole page is there, so are the others.
  if (is_there(reinterpret_cast<std::byte*>(last - page))) return;
  // A kernel that does not know this takes the pages as they are touched.
  madvise(reinterpret_cast<void*>(first), last - first, MADV_POPULATE_WRITE);
#endif
}

void Storage::expect_writes(std::span<const Stretch> stretches) const {
  size_t written = 0, page = 0;  // of the huge page that the last stretch was in
  const auto ask = [&] {
    if (written < huge_page / 2 || (page + 1) * huge_page > bytes_) return;
    std::byte* const address = data_ + page * huge_page;
    // Where small pages are, no huge one comes in their place.
    if (!is_there(address)) ask_for_huge_page(address);
  };
  for (const auto& [begin, end] : stretches) {
    for (size_t at = begin; at < end;) {
      const size_t in = at / huge_page, until = std::min(end, (in + 1) * huge_page);
      if (in != page) {
        ask();
        written = 0;
        page = in;
      }
      written += until - at;
      at = until;
    }
  }
  ask();
  for (const auto& [begin, end] : stretches)
    for (size_t at = begin; at < end;) {
      const size_t until = std::min(end, (at / huge_page + 1) * huge_page);
      expect_writes(at, until);
      at = until;
    }
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
