#include <telaio/nn/data/batch_stream.hpp>

#include <cstring>
#include <set>

#include <gtest/gtest.h>

#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/telaio.hpp>

#include "../../message_of.hpp"
#include "samples_testing.hpp"

namespace telaio::nn {
namespace {

constexpr int64_t size = 150, batch_size = 40;  // the last one has 30

BatchMaker make_maker() {
  return BatchMaker(counting_images(size, 28, 28, 1, 10), {}, parse_augmentation("shift=2,rotate=10,noise=0.1"));
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.spec() == b.spec() &&
         std::memcmp(a.value().bytes(), b.value().bytes(), static_cast<size_t>(a.spec().bytes())) == 0;
}

class BatchStreams : public testing::TestWithParam<std::pair<int, int64_t>> {
 protected:
  const ThreadLimit limit_{GetParam().first};
  const int64_t ahead_ = GetParam().second;
  const std::vector<int64_t> order_ = shuffled_order(size, 1, 0);
  const std::vector<std::span<const int64_t>> cuts_ = cut_batches(order_, batch_size);
};
INSTANTIATE_TEST_SUITE_P(ThreadsAndAhead, BatchStreams,
                         testing::Values(std::pair{1, 0}, std::pair{1, 2}, std::pair{4, 0}, std::pair{4, 1},
                                         std::pair{4, 2}, std::pair{4, 20}));

TEST_P(BatchStreams, GiveWhatTheMakerMakes) {
  const BatchMaker maker = make_maker();
  ASSERT_TRUE(maker.worth_a_task(batch_size));
  BatchStream stream(make_maker(), ahead_);
  for (int epoch = 0; epoch < 20; ++epoch) {
    stream.start(requests_for(cuts_));
    for (size_t i = 0; i < cuts_.size(); ++i) {
      EXPECT_EQ(stream.left(), static_cast<int64_t>(cuts_.size() - i));
      const auto [x, y] = stream.next();
      const auto [expected_x, expected_y] = maker.assemble({.rows = cuts_[i]});
      EXPECT_TRUE(same_bits(x, expected_x));
      EXPECT_TRUE(same_bits(y, expected_y));
    }
    EXPECT_EQ(message_of([&] { stream.next(); }), "batches: there are none left");
  }
}

TEST_P(BatchStreams, WhatIsHeldStaysAsItIs) {
  const BatchMaker maker = make_maker();
  BatchStream stream(make_maker(), ahead_);
  std::vector<std::pair<Tensor, Tensor>> held;
  for (int epoch = 0; epoch < 3; ++epoch) {
    stream.start(requests_for(cuts_));
    while (stream.left() > 0) held.push_back(stream.next());
  }
  for (size_t i = 0; i < held.size(); ++i)
    EXPECT_TRUE(same_bits(held[i].first, maker.assemble({.rows = cuts_[i % cuts_.size()]}).first)) << i;
}

TEST_P(BatchStreams, UseTheirMemoryAgain) {
  BatchStream stream(make_maker(), ahead_);
  std::set<const void*> places;
  for (int epoch = 0; epoch < 10; ++epoch) {
    stream.start(requests_for(cuts_));
    while (stream.left() > 0) places.insert(stream.next().first.value().bytes());
  }
  EXPECT_LE(places.size(), static_cast<size_t>(ahead_ + 1));
}

TEST_P(BatchStreams, StopAndStartAnew) {
  const BatchMaker maker = make_maker();
  BatchStream stream(make_maker(), ahead_);
  for (size_t given = 0; given < cuts_.size(); ++given) {
    auto order = std::make_unique<std::vector<int64_t>>(order_);
    stream.start(requests_for(cut_batches(*order, batch_size)));
    for (size_t i = 0; i < given; ++i)
      EXPECT_TRUE(same_bits(stream.next().first, maker.assemble({.rows = cuts_[i]}).first));
    stream.stop();
    EXPECT_EQ(stream.left(), 0);
    order->assign(order->size(), -1);  // rows that there are not, should anybody look
    order.reset();
  }
  stream.start(requests_for(cuts_));
  EXPECT_TRUE(same_bits(stream.next().first, maker.assemble({.rows = cuts_[0]}).first));
}

TEST_P(BatchStreams, AnErrorComesWithItsBatch) {
  std::vector<int64_t> order = order_;
  order[2 * batch_size] = size;
  BatchStream stream(make_maker(), ahead_);
  stream.start(requests_for(cut_batches(order, batch_size)));
  stream.next();
  stream.next();
  EXPECT_EQ(message_of([&] { stream.next(); }), "batches: row 150 of a set with 150 samples");
  EXPECT_TRUE(same_bits(stream.next().first, make_maker().assemble({.rows = cuts_[3]}).first));
}

// A stream may go in the middle of an epoch, by an exception for one.
TEST_P(BatchStreams, GoWhileBatchesAreMade) {
  for (int round = 0; round < 50; ++round) {
    std::vector<int64_t> order = order_;
    const auto cuts = cut_batches(order, batch_size);
    BatchStream stream(make_maker(), ahead_);
    stream.start(requests_for(cuts));
    if (round % 2 == 1) stream.next();
    BatchStream moved = std::move(stream);
    if (round % 3 == 1) moved.next();
  }
}

TEST(BatchStream, SmallBatchesAreNotMadeAhead) {
  const BatchMaker maker(counting_images(20, 2, 2, 1, 2));
  EXPECT_FALSE(maker.worth_a_task(10));
  BatchStream stream(maker);
  std::vector<int64_t> order = plain_order(20);
  stream.start(requests_for(cut_batches(order, 10)));
  stream.next();
  order[10] = 3;  // seen, since nothing has been done with it
  EXPECT_TRUE(same_bits(stream.next().first, maker.assemble({.rows = std::span(order).subspan(10)}).first));
}

TEST(BatchStream, AheadIsNotNegative) {
  EXPECT_EQ(message_of([] { BatchStream(make_maker(), -1); }), "batches ahead: expected at least 0, got -1");
}

}  // namespace
}  // namespace telaio::nn
