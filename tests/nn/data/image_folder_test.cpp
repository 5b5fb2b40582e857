#include <telaio/nn/data/image_folder.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <telaio/nn/data/png.hpp>

#include "../../ops/kernels/kernel_test.hpp"
#include "../temp_dir.hpp"

namespace telaio::nn {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

std::string grey(int value, int64_t height = 2, int64_t width = 1) {
  return encode_png(
      {height, width, 1, std::vector<uint8_t>(static_cast<size_t>(height * width), static_cast<uint8_t>(value))});
}
std::string colour(int r, int g, int b) {
  return encode_png({2, 1, 3, {static_cast<uint8_t>(r), static_cast<uint8_t>(g), static_cast<uint8_t>(b), 1, 2, 3}});
}

TEST(ImageFolder, ClassesAndImagesAreInAlphabeticalOrder) {
  const TempDir dir;
  dir.put("dog/b.png", grey(3));
  dir.put("dog/a.PNG", grey(2));
  dir.put("cat/z.png", grey(1));
  dir.put("cat/notes.txt", "not an image");
  dir.put("cat/.hidden.png", "not an image");
  dir.put("readme.md", "");
  const Dataset data = load_dataset(dir.path());
  EXPECT_THAT(data.train.class_names, ElementsAre("cat", "dog"));
  EXPECT_EQ(to_string(data.train.inputs.spec()), "u8[3,2,1,1]");
  EXPECT_THAT(ints(data.train.inputs), ElementsAre(1, 1, 2, 2, 3, 3));
  EXPECT_THAT(ints(data.train.labels), ElementsAre(0, 1, 1));
  EXPECT_TRUE(data.test.empty());
}

TEST(ImageFolder, TrainAndTest) {
  const TempDir dir;
  dir.put("train/a/1.png", grey(1));
  dir.put("train/b/1.png", grey(2));
  dir.put("train/c/1.png", grey(3));
  dir.put("test/c/1.png", grey(4));
  const Dataset data = load_dataset(dir.path());
  EXPECT_THAT(data.test.class_names, ElementsAre("a", "b", "c"));
  EXPECT_THAT(ints(data.test.labels), ElementsAre(2));
  dir.put("test/d/1.png", grey(4));
  EXPECT_EQ(message_of([&] { load_dataset(dir.path()); }),
            dir.path() + "/test/d: unknown class 'd': those of the training part are a b c");
}

TEST(ImageFolder, TrainMayBeAClass) {
  const TempDir dir;
  dir.put("train/1.png", grey(1));
  dir.put("plane/1.png", grey(2));
  EXPECT_THAT(load_dataset(dir.path()).train.class_names, ElementsAre("plane", "train"));
}

TEST(ImageFolder, GreyAmongColourBecomesColour) {
  const TempDir dir;
  dir.put("train/a/1.png", grey(7));
  dir.put("train/b/1.png", colour(4, 5, 6));
  dir.put("test/a/1.png", grey(9));
  const Dataset data = load_dataset(dir.path());
  EXPECT_EQ(to_string(data.train.inputs.spec()), "u8[2,2,1,3]");
  EXPECT_THAT(ints(data.train.inputs), ElementsAre(7, 7, 7, 7, 7, 7, 4, 5, 6, 1, 2, 3));
  EXPECT_THAT(ints(data.test.inputs), ElementsAre(9, 9, 9, 9, 9, 9));
  const TempDir other;
  other.put("train/a/1.png", grey(7));
  other.put("test/a/1.png", colour(1, 2, 3));
  EXPECT_EQ(to_string(load_dataset(other.path()).train.inputs.spec()), "u8[1,2,1,3]");
}

TEST(ImageFolder, BadFolders) {
  const TempDir dir;
  const auto load = [&] { load_image_folder(dir.path()); };
  EXPECT_EQ(message_of(load), dir.path() + ": no directory of .png files");
  dir.put("a/1.png", grey(1));
  const std::string other = dir.put("b/2.png", grey(1, 3, 4));
  EXPECT_EQ(message_of(load), other + ": 4x3 pixels, expected 1x2 as in " + dir.path() + "/a/1.png");
  dir.put("b/2.png", grey(1).substr(0, 50));
  EXPECT_THAT(message_of(load), StartsWith(other + ": damaged PNG image (50 bytes): "));
  std::filesystem::remove(other);
  EXPECT_EQ(message_of(load), dir.path() + "/b: no .png files for the class");
  const std::string photo = dir.put("b/photo.JPG", "");
  EXPECT_EQ(message_of(load), photo + ": expected a .png file: no other images are read");
}

TEST(ImageFolder, TheFirstBadFileIsReportedOnAnyNumberOfThreads) {
  const TempDir dir;
  for (int i = 0; i < 40; ++i) dir.put("a/" + std::to_string(100 + i) + ".png", i < 3 ? grey(i) : std::string("bad"));
  for (const int threads : {1, 2, 8})
    kernels::with_threads(threads, [&] {
      for (int repeat = 0; repeat < 5; ++repeat)
        EXPECT_THAT(message_of([&] { load_image_folder(dir.path()); }), StartsWith(dir.path() + "/a/103.png: byte 0"));
    });
}

}  // namespace
}  // namespace telaio::nn
