// Memory whose pages are asked for before they are written.
#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <set>
#include <string>
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

// What the allocator has kept of other tests of this process is no new memory.
struct NewMemory {
  NewMemory() { malloc_trim(0); }
};

TEST(Storage, WhatIsAboutToBeWrittenIsThere) {
  if (!kernel_knows()) GTEST_SKIP() << "this kernel cannot be asked for pages";
  const Storage storage(64 * megabyte);  // larger than what the allocator keeps
  const Pages pages(storage);
  EXPECT_EQ(pages.resident, pages.all);
}

TEST(Storage, WhatIsPerhapsNotWrittenIsTakenWhenItIs) {
  const NoHugePages none;
  const NewMemory memory;
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

// How many pages of a stretch are in memory.
size_t resident(const Storage& storage, size_t begin, size_t end) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t first = (reinterpret_cast<uintptr_t>(storage.data()) + begin) / page * page;
  std::vector<unsigned char> there((end - begin + page - 1) / page);
  if (mincore(reinterpret_cast<void*>(first), end - begin, there.data()) != 0) return 0;
  return static_cast<size_t>(std::count_if(there.begin(), there.end(), [](unsigned char is) { return is & 1; }));
}

TEST(Storage, StretchesAreThereAndWhatIsBetweenThemIsNot) {
  if (!kernel_knows()) GTEST_SKIP() << "this kernel cannot be asked for pages";
  const NoHugePages none;
  const NewMemory memory;
  const Storage storage(16 * megabyte, Storage::Use::partly);
  EXPECT_LE(resident(storage, 0, storage.bytes()), 1u);
  const Storage::Stretch stretches[] = {{0, megabyte / 4},
                                        {megabyte, megabyte + megabyte / 2},
                                        {3 * megabyte / 2 + megabyte / 4, 5 * megabyte},
                                        {15 * megabyte, 16 * megabyte}};
  storage.expect_writes(stretches);
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  for (const auto& [begin, end] : stretches)
    EXPECT_GE(resident(storage, begin, end) + 1, (end - begin) / page) << begin;
  EXPECT_LE(resident(storage, megabyte / 4, megabyte), 1u);
  EXPECT_LE(resident(storage, 5 * megabyte, 15 * megabyte), 1u);
}

// Whether the kernel was asked for huge pages where the address is; whether it had one is its own affair, since memory
// may be in pieces.
bool asked_for_huge_pages(const std::byte* address) {
  std::ifstream maps("/proc/self/smaps");
  bool in = false;
  for (std::string line; std::getline(maps, line);) {
    uintptr_t begin = 0, end = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &begin, &end) == 2) {
      const auto at = reinterpret_cast<uintptr_t>(address);
      in = begin <= at && at < end;
    }
    if (in && line.starts_with("VmFlags:")) return line.find(" hg") != std::string::npos;
  }
  return false;
}

TEST(Storage, AHugePageIsAskedForWhereMostOfItIsWritten) {
  if (!kernel_knows()) GTEST_SKIP() << "this kernel cannot be asked for pages";
  const NewMemory memory;
  const Storage storage(8 * megabyte, Storage::Use::partly);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(storage.data()) % (2 * megabyte), 0u);
  EXPECT_LE(resident(storage, 0, storage.bytes()), 1u);
  const Storage::Stretch stretches[] = {
      {5 * megabyte / 2, 11 * megabyte / 4}, {3 * megabyte, 4 * megabyte}, {4 * megabyte, 9 * megabyte / 2}};
  storage.expect_writes(stretches);
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  for (const auto& [begin, end] : stretches)
    EXPECT_GE(resident(storage, begin, end) + 1, (end - begin) / page) << begin;
  EXPECT_LE(resident(storage, 0, 2 * megabyte), 1u);
  EXPECT_LE(resident(storage, 6 * megabyte, 8 * megabyte), 1u);
  std::memset(storage.data(), 1, storage.bytes());
  if (std::ifstream("/sys/kernel/mm/transparent_hugepage/enabled")) {
    EXPECT_FALSE(asked_for_huge_pages(storage.data()));
    EXPECT_TRUE(asked_for_huge_pages(storage.data() + 2 * megabyte));
    EXPECT_FALSE(asked_for_huge_pages(storage.data() + 4 * megabyte));
  }
  // Too small for one.
  const Storage small(megabyte, Storage::Use::partly);
  small.expect_writes(std::span(stretches).first(1));
  std::memset(small.data(), 1, small.bytes());
}

TEST(Storage, TheFirstArraysOfAProcessShareAHugePage) {
  constexpr size_t bytes = 100'000;
  std::vector<std::unique_ptr<Storage>> arrays;
  const auto add = [&] {
    arrays.push_back(std::make_unique<Storage>(bytes));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(arrays.back()->data()) % Storage::alignment, 0u);
    std::memset(arrays.back()->data(), static_cast<int>(arrays.size()), bytes);
  };
  for (int i = 0; i < 40; ++i) add();  // twice as much as there is room for
  for (int i = 0; i < 20; ++i) arrays[static_cast<size_t>(2 * i)] = nullptr;
  for (int i = 0; i < 20; ++i) add();
  std::set<const std::byte*> begins;
  for (size_t i = 0; i < arrays.size(); ++i) {
    if (!arrays[i]) continue;
    const std::byte *begin = arrays[i]->data(), value = static_cast<std::byte>(i + 1);
    EXPECT_TRUE(std::all_of(begin, begin + bytes, [&](std::byte b) { return b == value; })) << i;
    begins.insert(begin);
  }
  EXPECT_EQ(begins.size(), 40u);
}

}  // namespace
}  // namespace telaio
