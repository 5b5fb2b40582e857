// Memory whose pages are asked for before they are written.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include <telaio/autograd/array.hpp>

namespace telaio {
namespace {

constexpr size_t megabyte = 1 << 20;

// Whole pages of the storage, and how many of them are in memory.
struct Pages {
  size_t all = 0, resident = 0;
  explicit Pages(const Storage& storage) {
    const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const auto begin = reinterpret_cast<uintptr_t>(storage.data());
    const uintptr_t first = (begin + page - 1) / page * page, last = (begin + storage.bytes()) / page * page;
    all = (last - first) / page;
    std::vector<unsigned char> there(all);
    if (mincore(reinterpret_cast<void*>(first), last - first, there.data()) != 0) return;
    for (const unsigned char is : there) resident += is & 1;
  }
};

bool kernel_knows() {
#ifdef MADV_POPULATE_WRITE
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  void* const memory = mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const bool knows = madvise(memory, page, MADV_POPULATE_WRITE) == 0;
  munmap(memory, page);
  return knows;
#else
  return false;
#endif
}

// Where the machine gives out huge pages unasked, a single touch brings hundreds of pages: not while it lives.
struct NoHugePages {
  NoHugePages() { prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0); }
  ~NoHugePages() { prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0); }
};

TEST(Storage, WhatIsAboutToBeWrittenIsThere) {
  if (!kernel_knows()) GTEST_SKIP() << "this kernel cannot be asked for pages";
  const Storage storage(64 * megabyte);  // larger than what the allocator keeps
  const Pages pages(storage);
  EXPECT_EQ(pages.resident, pages.all);
}

TEST(Storage, WhatIsPerhapsNotWrittenIsTakenWhenItIs) {
  const NoHugePages none;
  const Storage storage(64 * megabyte, Storage::Use::partly);
  EXPECT_LE(Pages(storage).resident, 1u);  // of the allocator
  if (!kernel_knows()) GTEST_SKIP() << "this kernel cannot be asked for pages";
  storage.expect_writes(3 * megabyte, 5 * megabyte);
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE)), resident = Pages(storage).resident;
  EXPECT_GE(resident, 2 * megabyte / page);
  EXPECT_LE(resident, 2 * megabyte / page + 2);
}

TEST(Storage, ExpectingWritesChangesNothing) {
  const Storage storage(megabyte);
  std::memset(storage.data(), 7, storage.bytes());
  storage.expect_writes(0, storage.bytes());
  storage.expect_writes(5, 5);
  storage.expect_writes(1, storage.bytes() - 1);
  for (size_t i = 0; i < storage.bytes(); ++i) ASSERT_EQ(storage.data()[i], std::byte{7}) << i;
}

}  // namespace
}  // namespace telaio
