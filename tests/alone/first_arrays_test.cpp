// The first arrays of a process, which lie on one huge page.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <cstdlib>
#include <cstring>
#include <memory>

#include <telaio/autograd/array.hpp>

namespace telaio {
namespace {

// A sanitizer looks for what is written behind an array, which has memory of its own there.
#if defined(TELAIO_SANITIZE) || !defined(MADV_POPULATE_WRITE)
constexpr bool shared = false;
#else
constexpr bool shared = true;
#endif

constexpr size_t huge_page = 2 << 20;

// Whether the system has huge pages for those who ask, and one for us now: memory may be in pieces.
bool has_a_huge_page() {
#ifdef MADV_POPULATE_WRITE
  const std::unique_ptr<std::byte, decltype(&std::free)> memory(
      static_cast<std::byte*>(std::aligned_alloc(huge_page, 16 * huge_page)), &std::free);
  unsigned char there = 0;
  return madvise(memory.get(), huge_page, MADV_HUGEPAGE) == 0 && madvise(memory.get(), 1, MADV_POPULATE_WRITE) == 0 &&
         mincore(memory.get() + huge_page / 2, 1, &there) == 0 && there & 1;
#else
  return false;
#endif
}

long traps() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt;
}

TEST(FirstArrays, LieSideBySideAndTakeNoTraps) {
  static bool again = false;
  if (again || testing::UnitTest::GetInstance()->test_to_run_count() > 1)
    GTEST_SKIP() << "others of this process had the first";
  again = true;
  const bool before = has_a_huge_page();
  const Storage first(50'000), second(150'000);
  const bool after = has_a_huge_page();
  const long until = traps();
  std::memset(second.data(), 1, second.bytes());
  const long taken = traps() - until;
  std::memset(first.data(), 1, first.bytes());
  if (shared && !(before && after)) GTEST_SKIP() << "no huge pages";
  EXPECT_EQ(second.data() == first.data() + 50'048, shared);
  if (shared) {
    EXPECT_EQ(taken, 0);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(first.data()) % huge_page, 0u);
  }
}

}  // namespace
}  // namespace telaio
