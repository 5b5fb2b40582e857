#include <telaio/nn/data/cifar.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../temp_dir.hpp"

namespace telaio::nn {
namespace {

using testing::ElementsAre;

/// A record whose planes hold r, g and b, but for the first pixel of the second row: r+1, g+1, b+1.
std::string record(int label, int r, int g, int b) {
  std::string all = bytes(label);
  for (const int value : {r, g, b}) {
    std::string plane(1024, static_cast<char>(value));
    plane[32] = static_cast<char>(value + 1);
    all += plane;
  }
  return all;
}

TEST(Cifar, LoadsBatchesInOrder) {
  const TempDir dir;
  dir.put("data_batch_10.bin", record(3, 7, 8, 9));
  dir.put("data_batch_2.bin", record(1, 40, 50, 60));
  dir.put("data_batch_1.bin", record(0, 10, 20, 30) + record(9, 11, 21, 31));
  const Dataset data = load_dataset(dir.path());
  EXPECT_EQ(to_string(data.train.inputs.spec()), "u8[4,32,32,3]");
  EXPECT_THAT(ints(data.train.labels), ElementsAre(0, 9, 1, 3));
  EXPECT_EQ(data.train.class_names.size(), 10u);
  EXPECT_EQ(data.train.class_names[9], "truck");
  EXPECT_TRUE(data.test.empty());
  const std::vector<int> pixels = ints(data.train.inputs);
  const auto pixel = [&](size_t image, size_t at) {
    const auto first = pixels.begin() + static_cast<std::ptrdiff_t>((image * 1024 + at) * 3);
    return std::vector<int>(first, first + 3);
  };
  EXPECT_THAT(pixel(0, 0), ElementsAre(10, 20, 30));
  EXPECT_THAT(pixel(0, 32), ElementsAre(11, 21, 31));
  EXPECT_THAT(pixel(0, 1023), ElementsAre(10, 20, 30));
  EXPECT_THAT(pixel(2, 5), ElementsAre(40, 50, 60));
  EXPECT_THAT(pixel(3, 0), ElementsAre(7, 8, 9));
}

TEST(Cifar, TestPartAndClassNames) {
  const TempDir dir;
  dir.put("data_batch_1.bin", record(0, 1, 2, 3) + record(1, 1, 2, 3));
  dir.put("test_batch.bin", record(1, 4, 5, 6));
  dir.put("batches.meta.txt", "cat\r\ndog\n\n");
  const Dataset data = load_cifar(dir.path());
  EXPECT_THAT(data.train.class_names, ElementsAre("cat", "dog"));
  EXPECT_THAT(data.test.class_names, ElementsAre("cat", "dog"));
  EXPECT_THAT(ints(data.test.labels), ElementsAre(1));
}

TEST(Cifar, BadFiles) {
  const TempDir dir;
  const auto load = [&] { load_cifar(dir.path()); };
  EXPECT_EQ(message_of(load), dir.path() + ": no data_batch_*.bin");
  const std::string file = dir.put("data_batch_1.bin", record(0, 1, 2, 3) + record(10, 1, 2, 3));
  EXPECT_EQ(message_of(load), file + ": byte 3073: label 10 is out of range, expected 0 … 9");
  dir.put("data_batch_1.bin", record(0, 1, 2, 3) + "x");
  EXPECT_EQ(message_of(load), file + ": byte 3074: the file ends, expected one or more whole records of 3073 bytes");
  dir.put("data_batch_1.bin", "");
  EXPECT_EQ(message_of(load), file + ": byte 0: the file ends, expected one or more whole records of 3073 bytes");
  dir.put("data_batch_1.bin", record(0, 1, 2, 3));
  const std::string test = dir.put("test_batch.bin", record(0, 1, 2, 3).substr(1));
  EXPECT_EQ(message_of(load), test + ": byte 3072: the file ends, expected one or more whole records of 3073 bytes");
  const std::string names = dir.put("batches.meta.txt", "\n\n");
  EXPECT_EQ(message_of(load), names + ": line 1: expected a class name a line, found none");
}

}  // namespace
}  // namespace telaio::nn
