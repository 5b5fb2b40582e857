#include <telaio/nn/data/idx.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <telaio/nn/io/file.hpp>
#include <telaio/nn/io/gzip.hpp>

#include "../temp_dir.hpp"
#include "samples_testing.hpp"

namespace telaio::nn {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

std::string idx(int type, std::vector<int> sizes, const std::string& data) {
  std::string file = bytes(0, 0, type, static_cast<int>(sizes.size()));
  for (const int size : sizes) file += bytes(0, 0, size / 256, size % 256);
  return file + data;
}

/// Three images of 2×2 and labels 0 1 2, under the names that are given.
void put_mnist(const TempDir& dir, const std::string& images, const std::string& labels, bool packed = false) {
  const std::string image_file = idx(8, {3, 2, 2}, "abcdefghijkl"), label_file = idx(8, {3}, bytes(0, 1, 2));
  dir.put(images, packed ? gzip(image_file) : image_file);
  dir.put(labels, packed ? gzip(label_file) : label_file);
}

TEST(Idx, EveryType) {
  const Tensor byte = parse_idx(idx(8, {2, 3}, bytes(0, 1, 2, 3, 4, 255)), "x");
  EXPECT_EQ(to_string(byte.spec()), "u8[2,3]");
  EXPECT_THAT(ints(byte), ElementsAre(0, 1, 2, 3, 4, 255));
  const Tensor signed_byte = parse_idx(idx(9, {2}, bytes(1, 255)), "x");
  EXPECT_EQ(signed_byte.dtype(), i32);
  EXPECT_THAT(ints(signed_byte), ElementsAre(1, -1));
  const Tensor short_int = parse_idx(idx(11, {2}, bytes(1, 2, 255, 254)), "x");
  EXPECT_EQ(short_int.dtype(), i32);
  EXPECT_THAT(ints(short_int), ElementsAre(258, -2));
  EXPECT_THAT(ints(parse_idx(idx(12, {2}, bytes(0, 1, 0, 0, 255, 255, 255, 253)), "x")), ElementsAre(65536, -3));
  const Tensor real = parse_idx(idx(13, {1}, bytes(0xC0, 0x20, 0, 0)), "x");
  EXPECT_EQ(real.dtype(), f32);
  EXPECT_EQ(real.item<float>(), -2.5f);
  const Tensor twice = parse_idx(idx(14, {1}, bytes(0x3F, 0xF8, 0, 0, 0, 0, 0, 0)), "x");
  EXPECT_EQ(twice.dtype(), f64);
  EXPECT_EQ(twice.item<double>(), 1.5);
}

TEST(Idx, WritesWhatItReads) {
  const TempDir dir;
  const std::vector<Tensor> tensors{from_data(std::vector<uint8_t>{1, 2, 255, 4, 5, 6}, {3, 2}),
                                    from_data(std::vector<int32_t>{1, -70'000}, {2}),
                                    from_data(std::vector<float>{1.5f, -3e20f}, {1, 2}),
                                    from_data(std::vector<double>{0.1, 1e300}, {2, 1}), zeros({0, 5}, u8)};
  for (const std::string name : {"x", "x.gz"})
    for (const Tensor& tensor : tensors) {
      write_idx(dir / name, tensor);
      EXPECT_EQ(is_gzip(content(dir / name)), name == "x.gz");
      const Tensor read = read_idx(dir / name);
      EXPECT_EQ(read.spec(), tensor.spec());
      EXPECT_EQ(read.to_vector<double>(), tensor.to_vector<double>());
    }
  EXPECT_EQ(content(dir / "x").substr(0, 8), bytes(0, 0, 8, 2, 0, 0, 0, 0));
  EXPECT_THAT(message_of([&] { write_idx(dir / "x", zeros({2}, i64)); }), HasSubstr("not i64[2]"));
  EXPECT_THAT(message_of([&] { write_idx(dir / "x", zeros({}, f32)); }), HasSubstr("not f32[]"));
}

TEST(Idx, BadFiles) {
  EXPECT_EQ(message_of([] { parse_idx(bytes(0, 0), "f"); }),
            "f: byte 2: the file ends, expected the 4 bytes of an IDX magic number");
  EXPECT_THAT(message_of([] { parse_idx(bytes(0, 1, 8, 1, 0, 0, 0, 0), "f"); }),
              StartsWith("f: byte 0: wrong magic number 00010801, expected an IDX file"));
  EXPECT_THAT(message_of([] { parse_idx(bytes(0, 0, 10, 1, 0, 0, 0, 0), "f"); }), HasSubstr("magic number 00000a01"));
  EXPECT_THAT(message_of([] { parse_idx(bytes(0, 0, 8, 0), "f"); }), HasSubstr("magic number 00000800"));
  EXPECT_THAT(message_of([] { parse_idx(idx(8, std::vector<int>(9, 1), "x"), "f"); }),
              HasSubstr("magic number 00000809"));
  EXPECT_EQ(message_of([] { parse_idx(bytes(0, 0, 8, 3, 0, 0, 0, 1, 0), "f"); }),
            "f: byte 9: the file ends, expected the sizes of 3 axes up to byte 16");
  EXPECT_EQ(message_of([] {
              parse_idx(idx(8, {3, 2, 2}, "abcdefghijk"), "f");
            }),
            "f: byte 27: the file ends, expected 28 bytes for the 12 elements of sizes [3,2,2]");
  EXPECT_EQ(message_of([] {
              parse_idx(idx(8, {3, 2, 2}, "abcdefghijklmn"), "f");
            }),
            "f: byte 28: 2 bytes too many for 12 elements of sizes [3,2,2]");
  EXPECT_THAT(message_of([] { parse_idx(bytes(0, 0, 8, 3) + std::string(12, '\xff'), "f"); }),
              HasSubstr("f: byte 4: impossible sizes [4294967295,4294967295,4294967295]"));
  EXPECT_THAT(message_of([] { parse_idx(idx(14, {255, 255}, "x"), "f"); }), HasSubstr("expected 520212 bytes"));
}

TEST(Idx, LoadsADirectoryByAnyOfItsNames) {
  for (const bool packed : {false, true}) {
    const std::string end = packed ? ".gz" : "";
    const TempDir dashes, dots, test;
    put_mnist(dashes, "train-images-idx3-ubyte" + end, "train-labels-idx1-ubyte" + end, packed);
    put_mnist(dashes, "t10k-images-idx3-ubyte" + end, "t10k-labels-idx1-ubyte" + end, packed);
    put_mnist(dots, "train-images.idx3-ubyte" + end, "train-labels.idx1-ubyte" + end, packed);
    put_mnist(test, "train-images-idx3-ubyte" + end, "train-labels-idx1-ubyte" + end, packed);
    put_mnist(test, "test-images-idx3-ubyte" + end, "test-labels-idx1-ubyte" + end, packed);
    for (const TempDir* dir : {&dashes, &dots, &test}) {
      const Dataset data = load_dataset(dir->path());
      EXPECT_EQ(to_string(data.train.inputs.spec()), "u8[3,2,2,1]");
      EXPECT_THAT(ints(data.train.inputs), ElementsAre('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l'));
      EXPECT_THAT(ints(data.train.labels), ElementsAre(0, 1, 2));
      EXPECT_THAT(data.train.class_names, ElementsAre("0", "1", "2"));
      EXPECT_EQ(data.test.size(), dir == &dots ? 0 : 3);
      EXPECT_EQ(data.source, dir->path());
    }
  }
}

TEST(Idx, LoadsASingleFileAndItsLabels) {
  const TempDir dir;
  put_mnist(dir, "my-images-idx3-ubyte", "my-labels-idx1-ubyte");
  EXPECT_EQ(load_dataset(dir / "my-images-idx3-ubyte").train.size(), 3);
  put_mnist(dir, "images.idx3", "labels.idx1");
  EXPECT_THAT(ints(load_dataset(dir / "images.idx3").train.labels), ElementsAre(0, 1, 2));
  // The labels may be packed where the images are not.
  dir.put("half-images.idx3", idx(8, {1, 1, 1}, "x"));
  EXPECT_THAT(message_of([&] { load_dataset(dir / "half-images.idx3"); }),
              HasSubstr("half-images.idx3: the labels are missing: expected half-labels.idx1 beside it"));
  dir.put("half-labels.idx1.gz", gzip(idx(8, {1}, bytes(0))));
  EXPECT_EQ(load_dataset(dir / "half-images.idx3").train.size(), 1);
}

TEST(Idx, PartsThatDisagree) {
  const TempDir dir;
  put_mnist(dir, "train-images-idx3-ubyte", "train-labels-idx1-ubyte");
  const auto load = [&] { load_idx(dir.path()); };
  const std::string images = dir / "train-images-idx3-ubyte", labels = dir / "train-labels-idx1-ubyte";

  dir.put("train-labels-idx1-ubyte", idx(8, {2}, bytes(0, 1)));
  EXPECT_EQ(message_of(load), labels + ": byte 4: 2 labels, but " + images + " has 3 images");
  dir.put("train-labels-idx1-ubyte", idx(8, {3, 1}, bytes(0, 1, 2)));
  EXPECT_EQ(message_of(load), labels + ": byte 0: expected labels, unsigned bytes [N], found u8[3,1]");
  std::filesystem::remove(labels);
  EXPECT_EQ(message_of(load), dir.path() +
                                  ": the labels are missing: expected a file like train-labels-idx1-ubyte "
                                  "beside train-images-idx3-ubyte");
  dir.put("train-labels-idx1-ubyte", idx(8, {3}, bytes(0, 1, 2)));
  dir.put("train-images-idx3-ubyte", idx(13, {3, 1, 1}, std::string(12, '\0')));
  EXPECT_EQ(message_of(load),
            images + ": byte 0: expected images, unsigned bytes [N,H,W] or [N,H,W,C], found f32[3,1,1]");
  dir.put("train-images-idx3-ubyte", idx(8, {0, 2, 2}, ""));
  dir.put("train-labels-idx1-ubyte", idx(8, {0}, ""));
  EXPECT_EQ(message_of(load), images + ": byte 4: no images: sizes [0,2,2]");

  put_mnist(dir, "train-images-idx3-ubyte", "train-labels-idx1-ubyte");
  dir.put("t10k-images-idx3-ubyte", idx(8, {1, 2, 2}, "abcd"));
  dir.put("t10k-labels-idx1-ubyte", idx(8, {1}, bytes(7)));
  EXPECT_EQ(message_of(load),
            (dir / "t10k-labels-idx1-ubyte") + ": byte 8: label 7 is out of range, the training data have 0 … 2");
  dir.put("t10k-labels-idx1-ubyte", idx(8, {1}, bytes(1)));
  dir.put("t10k-images-idx3-ubyte", idx(8, {1, 2, 3}, "abcdef"));
  EXPECT_EQ(message_of(load), (dir / "t10k-images-idx3-ubyte") + ": byte 8: the images have sizes [2,3,1], those of " +
                                  images + " [2,2,1]");
  const std::string packed = gzip(idx(8, {1, 2, 2}, "abcd"));
  dir.put("t10k-images-idx3-ubyte", packed.substr(0, packed.size() - 3));
  EXPECT_THAT(message_of(load), StartsWith((dir / "t10k-images-idx3-ubyte") + ": bad gzip data after "));
}

TEST(Idx, WritesADataset) {
  const TempDir dir;
  const Dataset data{counting_images(30, 5, 4, 1, 3), counting_images(7, 5, 4, 1, 3), "here"};
  const std::string path = dir.path() + "/a/b";
  write_idx_dataset(path, data);
  const Dataset read = load_dataset(path);
  EXPECT_EQ(ints(read.train.inputs), ints(data.train.inputs));
  EXPECT_EQ(read.train.inputs.spec(), data.train.inputs.spec());
  EXPECT_EQ(ints(read.test.labels), ints(data.test.labels));
  const Dataset colour{counting_images(3, 2, 2, 3, 3), {}, "here"};
  EXPECT_THAT(message_of([&] { write_idx_dataset(path, colour); }), HasSubstr("not u8[3,2,2,3] of 3"));
  const std::string blocked = dir.put("file", "x") + "/below";
  EXPECT_THAT(message_of([&] { write_idx_dataset(blocked, data); }),
              StartsWith(blocked + ": the directory cannot be created: "));
}

}  // namespace
}  // namespace telaio::nn
