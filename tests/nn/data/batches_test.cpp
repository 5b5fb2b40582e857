#include <telaio/nn/data/batches.hpp>

#include <algorithm>
#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <telaio/nn/data/pixels.hpp>
#include <telaio/telaio.hpp>

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
  EXPECT_EQ(maker.size(), 6);
  EXPECT_EQ(to_string(maker.inputs_spec(5)), "f32[5,1,2,1]");
  EXPECT_EQ(to_string(maker.targets_spec(5)), "i64[5]");
  EXPECT_EQ(maker.assemble({.rows = {}}).first.numel(), 0);
}

TEST(Batches, FloatsStayAsTheyAre) {
  const BatchMaker maker({from_data(std::vector<float>{1, -2, 300, 4}, {2, 2}),
                          from_data(std::vector<int64_t>{1, 0}, {2}), numbered_classes(2)});
  const std::vector<int64_t> rows{1, 0};
  EXPECT_THAT(maker.assemble({.rows = rows}).first.to_vector<float>(), ElementsAre(300, 4, 1, -2));
}

TEST(Batches, TargetsOfAnyType) {
  const Tensor inputs = zeros({3, 2});
  const std::vector<int64_t> rows{2, 0, 2, 1};
  const auto targets = [&](const Tensor& all) {
    const BatchMaker maker(inputs, all);
    EXPECT_TRUE(maker.has_targets());
    const auto [x, y] = maker.assemble({.rows = rows});
    EXPECT_EQ(to_string(x.spec()), "f32[4,2]");
    EXPECT_EQ(y.spec(), maker.targets_spec(4));
    return y;
  };
  const Tensor bools = targets(tensor({true, false, false}));
  EXPECT_EQ(to_string(bools.spec()), "bool[4]");
  EXPECT_THAT(ints(bools), ElementsAre(0, 1, 0, 0));
  const Tensor heights = targets(from_data(std::vector<double>{0.1, 0.2, 0.3}, {3, 1}));
  EXPECT_EQ(to_string(heights.spec()), "f64[4,1]");
  EXPECT_THAT(heights.to_vector<double>(), ElementsAre(0.3, 0.1, 0.3, 0.2));
  const Tensor pictures = targets(counting_images(3, 2, 1, 1, 1).inputs);
  EXPECT_EQ(to_string(pictures.spec()), "u8[4,2,1,1]");
  EXPECT_THAT(ints(pictures), ElementsAre(2, 5, 0, 3, 2, 5, 1, 4)) << "bytes stay bytes";
  // A view with strides of its own, and rows without elements.
  EXPECT_THAT(ints(targets(transpose(from_data(std::vector<int32_t>{1, 2, 3, 4, 5, 6}, {2, 3})))),
              ElementsAre(3, 6, 1, 4, 3, 6, 2, 5));
  EXPECT_EQ(to_string(targets(zeros({3, 0})).spec()), "f32[4,0]");
}

TEST(Batches, WithoutTargets) {
  const BatchMaker maker(from_data(std::vector<uint8_t>{0, 255}, {2, 1}), Tensor());
  EXPECT_FALSE(maker.has_targets());
  const std::vector<int64_t> rows{1, 0};
  const auto [inputs, targets] = maker.assemble({.rows = rows});
  EXPECT_THAT(ints(inputs), ElementsAre(1, 0));
  EXPECT_FALSE(targets.defined());
}

TEST(Batches, InputsAsGiven) {
  const auto assemble = [](const Tensor& inputs) {
    const BatchMaker maker(inputs, inputs, {}, {}, InputForm::as_given);
    const std::vector<int64_t> rows{1, 1, 0};
    const auto [x, y] = maker.assemble({.rows = rows});
    EXPECT_EQ(x.spec(), maker.inputs_spec(3));
    EXPECT_EQ(x.spec(), y.spec());
    EXPECT_EQ(x.to_vector<double>(), y.to_vector<double>());
    return x;
  };
  const Tensor tokens = assemble(from_data(std::vector<int64_t>{7, 8, 9, 10}, {2, 2}));
  EXPECT_EQ(to_string(tokens.spec()), "i64[3,2]");
  EXPECT_THAT(ints(tokens), ElementsAre(9, 10, 9, 10, 7, 8));
  const Tensor bytes_of_images = assemble(from_data(std::vector<uint8_t>{200, 100}, {2, 1}));
  EXPECT_EQ(to_string(bytes_of_images.spec()), "u8[3,1]");
  EXPECT_THAT(ints(bytes_of_images), ElementsAre(100, 100, 200));
  EXPECT_EQ(to_string(assemble(tensor({true, false})).spec()), "bool[3]");
  EXPECT_THAT(assemble(tensor({0.25, 0.5})).to_vector<double>(), ElementsAre(0.5, 0.5, 0.25));

  const Samples samples = counting_images(2, 1, 2, 1, 2);
  const BatchMaker maker(samples, {}, {}, InputForm::as_given);
  EXPECT_THAT(ints(maker.assemble({.rows = plain_order(2)}).first), ElementsAre(0, 3, 1, 4));
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
  const auto error = [](const Tensor& inputs, const Tensor& targets) {
    return message_of([&] { BatchMaker(inputs, targets); });
  };
  EXPECT_EQ(error(zeros({3, 2}), zeros({2}, i64)), "batches: expected targets [3, …] to inputs f32[3,2], got i64[2]");
  EXPECT_EQ(error(zeros({3, 2}), zeros({}, i64)), "batches: expected targets [3, …] to inputs f32[3,2], got i64[]");
  EXPECT_EQ(error(Tensor(1.0f), {}), "batches: expected inputs [N, …], got f32[]");
  EXPECT_EQ(error({}, zeros({3})), "batches: the inputs are undefined");
  EXPECT_EQ(error(zeros({3, 2}, i32), {}), "batches: only inputs u8 or f32 can be prepared, got i32[3,2]");
  EXPECT_EQ(message_of([&] { BatchMaker(samples, {}, {.flip = true}, InputForm::as_given); }),
            "augmentation: flip cannot be applied to inputs that stay as given");
  EXPECT_EQ(message_of([&] { BatchMaker(samples, {.center = true}, {}, InputForm::as_given); }),
            "standardization: center cannot be applied to inputs that stay as given");
}

}  // namespace
}  // namespace telaio::nn
