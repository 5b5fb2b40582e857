#include <gtest/gtest.h>

#include <telaio/autograd/runtime/parallel.hpp>

#include <atomic>
#include <bit>
#include <chrono>
#include <numeric>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <oneapi/tbb/task_arena.h>

namespace telaio {
namespace {

using namespace std::chrono_literals;

TEST(ParallelFor, CoversEveryIndexOnceInFixedChunks) {
  std::vector<std::atomic<int>> hits(1003);
  std::atomic<int> chunks{0};
  parallel_for(1003, 10, [&](int64_t begin, int64_t end) {
    EXPECT_EQ(begin % 10, 0);
    EXPECT_LE(end - begin, 10);
    ++chunks;
    for (int64_t i = begin; i < end; ++i) ++hits[i];
  });
  EXPECT_EQ(chunks, 101);
  for (auto& h : hits) EXPECT_EQ(h, 1);
}

TEST(ParallelFor, RunsTheSameChunksInOrderInASerialScope) {
  const auto caller = std::this_thread::get_id();
  std::vector<std::pair<int64_t, int64_t>> chunks;
  {
    const SerialScope outer;
    { const SerialScope inner; }  // leaves the outer one in force
    parallel_for(45, 10, [&](int64_t begin, int64_t end) {
      EXPECT_EQ(std::this_thread::get_id(), caller);
      chunks.emplace_back(begin, end);
    });
  }
  EXPECT_EQ(chunks, (std::vector<std::pair<int64_t, int64_t>>{{0, 10}, {10, 20}, {20, 30}, {30, 40}, {40, 45}}));
}

template <class Body>
void on_threads(int threads, const Body& body) {
  const ThreadLimit limit(threads);
  tbb::task_arena(threads).execute(body);
}

// So that it finds in its core's cache what it wrote there: unless it comes late. Here the threads wait for one another
// at their first chunks, and then for so long that one has to be kept from its core for milliseconds to lose a chunk.
TEST(ParallelFor, GivesAThreadTheSameChunksAgain) {
  for (const int threads : {2, 3})
    on_threads(threads, [&] {
      constexpr int chunks = 6, rounds = 20;
      int same = 0;
      for (int round = 0; round < rounds; ++round) {
        int index[chunks];
        std::atomic<unsigned> come = 0;
        parallel_for(chunks, 1, [&](int64_t chunk, int64_t) {
          index[chunk] = thread_index();
          come |= 1u << thread_index();
          const auto start = std::chrono::steady_clock::now();
          while (std::popcount(come.load()) < threads && std::chrono::steady_clock::now() - start < 1s)
            std::this_thread::sleep_for(100us);
          std::this_thread::sleep_for(2ms);
        });
        bool as_dealt = true;
        for (int chunk = 0; chunk < chunks; ++chunk) as_dealt &= index[chunk] == chunk / (chunks / threads);
        same += as_dealt;
      }
      EXPECT_GT(same, rounds / 4) << threads;
    });
}

TEST(ParallelFor, EvenChunksAreAsManyForTwoOrFourThreads) {
  for (const int64_t count : {5'000, 12'345, 61'482, 1'000'000}) {
    for (const double cycles : {2.0, 7.5, 100.0}) {
      const int64_t grain = even_grain_among_awake(count, cycles), chunks = (count - 1) / grain + 1;
      SCOPED_TRACE(testing::Message() << count << " of " << cycles << ": " << chunks << " chunks of " << grain);
      const double usual = static_cast<double>(count) / static_cast<double>(grain_among_awake(cycles));
      if (usual < 1) {
        EXPECT_EQ(chunks, 1);
        continue;
      }
      if (usual < 40) {
        EXPECT_EQ(chunks % 4, 0);
      }
      EXPECT_LE(static_cast<double>(chunks), usual + 4);
      EXPECT_GE(static_cast<double>(chunks), 0.9 * usual);
      EXPECT_GT(count - (chunks - 1) * grain, grain * 9 / 10 - chunks);  // the last one is no smaller
    }
  }
}

TEST(ParallelFor, BeginsNothingMoreAfterAnError) {
  const ThreadLimit limit(2);
  std::atomic<int> begun{0};
  EXPECT_THROW(parallel_for(1000, 1,
                            [&](int64_t chunk, int64_t) {
                              ++begun;
                              std::this_thread::sleep_for(std::chrono::microseconds(100));
                              if (chunk % 10 == 3) throw std::runtime_error("no more");
                            }),
               std::runtime_error);
  EXPECT_LT(begun, 100);
}

TEST(ParallelFor, HasWorkForMoreThreadsThanShares) {
  std::vector<std::atomic<int>> hits(997);
  std::atomic<int> most = 0;
  on_threads(40, [&] {
    parallel_for(997, 1, [&](int64_t begin, int64_t) {
      ++hits[begin];
      if (const int index = thread_index(); index > most) most = index;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    });
  });
  for (auto& h : hits) EXPECT_EQ(h, 1);
  EXPECT_GE(most, 32);
}

// Of parallel work, to see that a background task's own is done.
int64_t sum_below(int64_t n) {
  std::atomic<int64_t> sum{0};
  parallel_for(n, 7, [&](int64_t begin, int64_t end) {
    int64_t part = 0;
    for (int64_t i = begin; i < end; ++i) part += i;
    sum += part;
  });
  return sum;
}

class BackgroundOnThreads : public testing::TestWithParam<int> {
 protected:
  const ThreadLimit limit_{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Threads, BackgroundOnThreads, testing::Values(1, 2, 4));

TEST_P(BackgroundOnThreads, WaitComesAfterTheWork) {
  Background work;
  work.wait();  // for nothing
  for (int round = 0; round < 200; ++round) {
    int64_t sum = 0;
    work.start([&] { sum = sum_below(1000); });
    EXPECT_EQ(sum_below(100), 4950);
    work.wait();
    EXPECT_EQ(sum, 499500);
    work.wait();  // once is enough
    EXPECT_EQ(sum, 499500);
  }
}

TEST_P(BackgroundOnThreads, StartWaitsForTheOneBefore) {
  Background work;
  std::vector<int> order;
  for (int i = 0; i < 50; ++i) work.start([&order, i] { order.push_back(i); });
  work.wait();
  std::vector<int> expected(50);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(order, expected);
}

TEST_P(BackgroundOnThreads, ManyAtOnce) {
  std::vector<Background> all(20);
  std::vector<int64_t> sums(20);
  for (size_t i = 0; i < all.size(); ++i)
    all[i].start([&sums, i] { sums[i] = sum_below(100 * static_cast<int64_t>(i)); });
  for (size_t i = all.size(); i-- > 0;) {
    all[i].wait();
    const auto n = 100 * static_cast<int64_t>(i);
    EXPECT_EQ(sums[i], n * (n - 1) / 2);
  }
}

TEST_P(BackgroundOnThreads, ExceptionsReachTheWaiterOnce) {
  Background work;
  work.start([] {
    parallel_for(100, 1, [](int64_t i, int64_t) {
      if (i == 40) throw std::runtime_error("forty");
    });
  });
  try {
    work.wait();
    FAIL() << "nothing was thrown";
  } catch (const std::runtime_error& error) {
    EXPECT_EQ(std::string(error.what()), "forty");
  }
  work.wait();
  bool ran = false;
  work.start([&] { ran = true; });
  work.wait();
  EXPECT_TRUE(ran);
}

TEST_P(BackgroundOnThreads, AcrossIsolatedWork) {
  Background before;
  int64_t first = 0, second = 0;
  before.start([&] { first = sum_below(1000); });
  isolate([&] {
    EXPECT_EQ(sum_below(1000), 499500);  // which takes up no part of the work outside
    Background inside;
    inside.start([&] { isolate([&] { second = sum_below(500); }); });
    inside.wait();
    before.wait();  // the thread that waits may help, although the work was started outside
  });
  EXPECT_EQ(first, 499500);
  EXPECT_EQ(second, 124750);
}

// With a single thread nobody else could have taken it up: a wait that ran it would hold up what is waited for.
TEST(Background, OtherWaitsDoNotRunIt) {
  const ThreadLimit limit(1);
  bool ran = false;
  Background work;
  work.start([&] { ran = true; });
  EXPECT_EQ(sum_below(1000), 499500);
  isolate([&] { EXPECT_EQ(sum_below(1000), 499500); });
  EXPECT_FALSE(ran);
  work.wait();
  EXPECT_TRUE(ran);
}

TEST_P(BackgroundOnThreads, WorkOfAFailedLoopIsStillDone) {
  int64_t sum = 0;
  Background work;
  EXPECT_THROW(parallel_for(64, 1,
                            [&](int64_t i, int64_t) {
                              if (i != 0) return;
                              work.start([&] { sum = sum_below(1000); });
                              throw std::runtime_error("cancelled");
                            }),
               std::runtime_error);
  work.wait();
  EXPECT_EQ(sum, 499500);
}

TEST_P(BackgroundOnThreads, DroppedWorkTouchesNothingAfterwards) {
  for (int round = 0; round < 200; ++round) {
    auto value = std::make_unique<std::atomic<int>>(0);
    {
      Background work;
      work.start([&value] {
        ++*value;
        throw std::runtime_error("nobody asks");
      });
    }
    EXPECT_LE(value->load(), 1);
    value.reset();
  }
}

// No place is given to two tasks at a time, none beyond those that there are, and a thread finds its own again.
TEST(Places, EachIsForOneAtATime) {
  for (const int threads : {1, 2, 8}) {
    const ThreadLimit limit(threads);
    for (const int64_t count : {int64_t{8}, Places::most}) {
      Places places(count);
      std::vector<std::atomic<int>> users(static_cast<size_t>(count));
      std::atomic<int> wrong = 0;
      parallel_for(2000, 1, [&](int64_t, int64_t) {
        const int place = places.take();
        if (place < 0 || place >= count || users[static_cast<size_t>(place)]++ != 0) {
          ++wrong;
          return;
        }
        std::this_thread::yield();
        --users[static_cast<size_t>(place)];
        places.give(place);
      });
      EXPECT_EQ(wrong, 0) << threads << " threads, " << count << " places";
    }
  }
}

TEST(Places, AllOfThemCanBeTaken) {
  Places places(5);
  std::set<int> taken;
  for (int i = 0; i < 5; ++i) taken.insert(places.take());
  EXPECT_EQ(taken, (std::set<int>{0, 1, 2, 3, 4}));
  places.give(3);
  EXPECT_EQ(places.take(), 3);
  for (int place = 0; place < 5; ++place) places.give(place);
  const int own = places.take();
  places.give(own);
  EXPECT_EQ(places.take(), own);
}

}  // namespace
}  // namespace telaio
