#include <telaio/nn/data/batches.hpp>

#include <algorithm>
#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <telaio/nn/data/pixels.hpp>

#include "../../ops/kernels/kernel_test.hpp"
#include "../temp_dir.hpp"
#include "samples_testing.hpp"

namespace telaio::nn {
namespace {

using testing::ElementsAre;

TEST(Batches, ShuffledOrder) {
  const std::vector<int64_t> order = shuffled_order(1000, 7, 3);
  std::vector<int64_t> sorted = order;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(sorted, plain_order(1000));
  EXPECT_EQ(order, shuffled_order(1000, 7, 3));
  EXPECT_NE(order, shuffled_order(1000, 7, 4));
  EXPECT_NE(order, shuffled_order(1000, 8, 3));
  int in_place = 0;
  for (size_t i = 0; i < order.size(); ++i) in_place += order[i] == static_cast<int64_t>(i);
  EXPECT_LT(in_place, 10);
  EXPECT_TRUE(shuffled_order(0, 1, 1).empty());
  EXPECT_THAT(plain_order(3), ElementsAre(0, 1, 2));
}

TEST(Batches, CutKeepsTheRest) {
  const std::vector<int64_t> order = plain_order(10);
  const auto batches = cut_batches(order, 4);
  ASSERT_EQ(batches.size(), 3u);
  EXPECT_THAT(batches[0], ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(batches[2], ElementsAre(8, 9));
  EXPECT_EQ(cut_batches(order, 5).size(), 2u);
  EXPECT_EQ(cut_batches(order, 100).size(), 1u);
  EXPECT_TRUE(cut_batches({}, 4).empty());
  EXPECT_EQ(message_of([&] { cut_batches(order, 0); }), "batch_size: expected at least 1, got 0");
}

TEST(Pixels, BytesBecomeFractions) {
  std::vector<uint8_t> bytes_in(200'000);
  for (size_t i = 0; i < bytes_in.size(); ++i) bytes_in[i] = static_cast<uint8_t>(i % 256);
  std::vector<float> floats(bytes_in.size());
  unit_floats(bytes_in.data(), 200'000, floats.data());
  for (size_t i = 0; i < floats.size(); ++i) EXPECT_EQ(floats[i], static_cast<float>(i % 256) / 255.0f);
}

TEST(Batches, RowsBecomeFloats) {
  const BatchMaker maker(counting_images(6, 1, 2, 1, 3));
  const std::vector<int64_t> rows{4, 0, 4};
  const auto [inputs, labels] = maker.assemble({.rows = rows});
  EXPECT_EQ(to_string(inputs.spec()), "f32[3,1,2,1]");
  EXPECT_THAT(inputs.to_vector<float>(), ElementsAre(4 / 255.0f, 7 / 255.0f, 0, 3 / 255.0f, 4 / 255.0f, 7 / 255.0f));
  EXPECT_THAT(ints(labels), ElementsAre(1, 0, 1));
  EXPECT_EQ(to_string(labels.spec()), "i64[3]");
  EXPECT_EQ(maker.batch_shape(5), (Shape{5, 1, 2, 1}));
  EXPECT_EQ(maker.assemble({.rows = {}}).first.numel(), 0);
}

TEST(Batches, FloatsStayAsTheyAre) {
  const BatchMaker maker({from_data(std::vector<float>{1, -2, 300, 4}, {2, 2}),
                          from_data(std::vector<int64_t>{1, 0}, {2}), numbered_classes(2)});
  const std::vector<int64_t> rows{1, 0};
  EXPECT_THAT(maker.assemble({.rows = rows}).first.to_vector<float>(), ElementsAre(300, 4, 1, -2));
}

const Augmentation some{.shift = 1, .rotate = 10, .noise = 0.1};

TEST(Batches, StepsInOrder) {
  const Samples samples = counting_images(50, 8, 8, 1, 10);
  Standardization steps{.center = true, .pixels = true};
  fit(steps, samples);
  const BatchMaker maker(samples, steps, some);
  const std::vector<int64_t> rows{3, 30, 3}, ids{100, 101, 102};
  const std::vector<float> strength{1, 0.5f, 0};
  const RandomKey key{1, 2};
  const std::vector<float> got =
      maker.assemble({.rows = rows, .key = key, .ids = ids, .strength = strength}).first.to_vector<float>();

  std::vector<float> expected(3 * 64);
  const std::vector<float> pixels = take(samples, rows).inputs.to_vector<float>();
  for (size_t i = 0; i < expected.size(); ++i) expected[i] = pixels[i] / 255.0f;
  standardize({.center = true}, {8, 8, 1}, 3, expected.data());
  augment(some, key, ids, {8, 8, 1}, expected.data(), expected.data(), strength);
  Standardization last = steps;
  last.center = false;
  standardize(last, {8, 8, 1}, 3, expected.data());
  EXPECT_TRUE(kernels::same_bits(got, expected));
}

TEST(Batches, ARowDoesNotDependOnItsBatchOrThreads) {
  const Samples samples = counting_images(500, 8, 8, 1, 10);
  Standardization steps{.center = true, .deskew = true, .pixels = true};
  fit(steps, samples);
  const BatchMaker maker(samples, steps, some);
  const RandomKey key = data_key(1, RandomPurpose::augment, 2);
  const std::vector<int64_t> order = shuffled_order(500, 1, 2);
  std::vector<float> expected;
  kernels::with_threads(1, [&] { expected = maker.assemble({.rows = order, .key = key}).first.to_vector<float>(); });
  for (const int threads : {1, 2, 8})
    for (const int64_t batch_size : {500, 128, 7})
      kernels::with_threads(threads, [&] {
        std::vector<float> all;
        for (const auto rows : cut_batches(order, batch_size)) {
          const std::vector<float> batch = maker.assemble({.rows = rows, .key = key}).first.to_vector<float>();
          all.insert(all.end(), batch.begin(), batch.end());
        }
        EXPECT_TRUE(kernels::same_bits(all, expected));
      });
  const RandomKey next = data_key(1, RandomPurpose::augment, 3);
  EXPECT_FALSE(kernels::same_bits(maker.assemble({.rows = order, .key = next}).first.to_vector<float>(), expected));
}

TEST(Batches, Errors) {
  const Samples samples = counting_images(4, 2, 2, 1, 2);
  const BatchMaker maker(samples);
  const std::vector<int64_t> rows{0, 4}, ids{1};
  EXPECT_EQ(message_of([&] { maker.assemble({.rows = rows}); }), "batches: row 4 of a set with 4 samples");
  EXPECT_EQ(message_of([&] { maker.assemble({.rows = rows, .ids = ids}); }), "batches: 1 ids for 2 rows");
  const std::vector<float> strength(3);
  EXPECT_EQ(message_of([&] { maker.assemble({.rows = rows, .strength = strength}); }),
            "batches: 3 strengths for 2 rows");
  EXPECT_EQ(message_of([&] { BatchMaker(samples, {.pixels = true}); }),
            "standardization: mean and deviation of the pixels were not fitted to training data");
  const Samples table{zeros({3, 2}), zeros({3}, i64), numbered_classes(1)};
  EXPECT_EQ(message_of([&] { BatchMaker(table, {}, {.shift = 2}); }),
            "augmentation: shift=2 needs images [N,H,W,C], the samples are f32[3,2]");
  EXPECT_EQ(message_of([&] {
              BatchMaker({zeros({3, 2}), zeros({2}, i64), {}});
            }),
            "batches: expected inputs u8 or f32 [N, …] and labels i64[N], got f32[3,2] and i64[2]");
}

}  // namespace
}  // namespace telaio::nn
