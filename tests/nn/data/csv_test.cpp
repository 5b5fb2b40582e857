#include <telaio/nn/data/csv.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <telaio/nn/io/gzip.hpp>

#include "../../ops/kernels/kernel_test.hpp"
#include "../temp_dir.hpp"

namespace telaio::nn {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

std::vector<float> floats(const Tensor& tensor) { return tensor.to_vector<float>(); }

TEST(Csv, NumbersWithTheLabelInFront) {
  const Samples samples = parse_csv("0,1.5,-2\n2, 3e1 ,+4\n\n1,.5,6\r\n", "f");
  EXPECT_EQ(to_string(samples.inputs.spec()), "f32[3,2]");
  EXPECT_THAT(floats(samples.inputs), ElementsAre(1.5f, -2, 30, 4, .5f, 6));
  EXPECT_THAT(ints(samples.labels), ElementsAre(0, 2, 1));
  EXPECT_THAT(samples.class_names, ElementsAre("0", "1", "2"));
}

TEST(Csv, HeaderNamesTheLabel) {
  for (const std::string name : {"label", "Class", "\"CLASS\""}) {
    const Samples samples = parse_csv("a,b," + name + "\n1,2,0\n3,4,1", "f");
    EXPECT_THAT(floats(samples.inputs), ElementsAre(1, 2, 3, 4));
    EXPECT_THAT(ints(samples.labels), ElementsAre(0, 1));
  }
  // Another header: the label is in front.
  EXPECT_THAT(ints(parse_csv("kind,x,y\n1,2,0\n0,4,1", "f").labels), ElementsAre(1, 0));
  // Names that are numbers, as some publish MNIST.
  EXPECT_THAT(ints(parse_csv("label,1,2\n1,2,0\n0,4,1", "f").labels), ElementsAre(1, 0));
}

TEST(Csv, WordsAreClasses) {
  const Samples samples = parse_csv("\xEF\xBB\xBFx,y,class\n1,2,dog\n3,4,\"big, cat\"\n5,6,dog", "f");
  EXPECT_THAT(samples.class_names, ElementsAre("big, cat", "dog"));
  EXPECT_THAT(ints(samples.labels), ElementsAre(1, 0, 1));
  EXPECT_THAT(parse_csv("dog,2\ncat,4", "f").class_names, ElementsAre("cat", "dog"));
}

std::string row(const std::string& label, int count, const std::string& value) {
  std::string line = label;
  for (int i = 0; i < count; ++i) line += "," + value;
  return line + "\n";
}

TEST(Csv, SquaresOfBytesAreImages) {
  const Samples images = parse_csv(row("0", 64, "255") + row("1", 64, "7"), "f");
  EXPECT_EQ(to_string(images.inputs.spec()), "u8[2,8,8,1]");
  EXPECT_EQ(ints(images.inputs)[0], 255);
  EXPECT_EQ(ints(images.inputs)[64], 7);
  EXPECT_EQ(to_string(parse_csv(row("0", 64, "256"), "f").inputs.spec()), "f32[1,64]");
  EXPECT_EQ(to_string(parse_csv(row("0", 64, "1") + row("0", 64, "0.5"), "f").inputs.spec()), "f32[2,64]");
  EXPECT_EQ(to_string(parse_csv(row("0", 64, "-1"), "f").inputs.spec()), "f32[1,64]");
  EXPECT_EQ(to_string(parse_csv(row("0", 65, "1"), "f").inputs.spec()), "f32[1,65]");
  EXPECT_EQ(to_string(parse_csv(row("0", 49, "1"), "f").inputs.spec()), "f32[1,49]");
}

TEST(Csv, BadText) {
  const auto error = [](const std::string& text) { return message_of([&] { parse_csv(text, "f.csv"); }); };
  EXPECT_EQ(error(""), "f.csv: line 1: the file is empty, expected a sample a line");
  EXPECT_EQ(error("\n \n"), "f.csv: line 1: the file is empty, expected a sample a line");
  EXPECT_EQ(error("label,x\n"), "f.csv: line 2: the file ends after its header, expected a sample a line");
  EXPECT_EQ(error("1\n2\n"), "f.csv: line 1: one field, expected a label and numbers, separated by commas");
  EXPECT_EQ(error("1,2,3\n1,2,nan\n"), "f.csv: line 2, column 3: expected a finite number, found nan");
  EXPECT_EQ(error("1,2,3\n1,-inf,3\n"), "f.csv: line 2, column 2: expected a finite number, found -inf");
  EXPECT_EQ(error("1,2,3\n1,1e39,3\n"), "f.csv: line 2, column 2: expected a finite number, found 1e39");
  EXPECT_EQ(error("1,2,3\n\n1,2,x\n"), "f.csv: line 3, column 3: expected a number, found 'x'");
  EXPECT_EQ(error("1,2,NA\n1,2,3\n"), "f.csv: line 1, column 3: expected a number, found 'NA'");
  EXPECT_EQ(error("1,2,3\n1,,3\n"), "f.csv: line 2, column 2: expected a number, found ''");
  EXPECT_EQ(error("1,2,3\n1,2,3,4\n"), "f.csv: line 2: 4 fields, expected 3");
  EXPECT_EQ(error("1,2,3\n1,2\n"), "f.csv: line 2: 2 fields, expected 3");
  EXPECT_EQ(error("1,2,3\n1,2,\n"), "f.csv: line 2, column 3: expected a number, found ''");
  EXPECT_EQ(
      error("-1,2\n1,2\n"),
      "f.csv: line 1, column 1: label '-1' is out of range, expected a whole number 0 … 65535 (or a column called "
      "label)");
  EXPECT_THAT(error("1,2\n5.1,2\n"), StartsWith("f.csv: line 2, column 1: label '5.1' is out of range"));
  EXPECT_THAT(error("1,2\n65536,2\n"), StartsWith("f.csv: line 2, column 1: label '65536' is out of range"));
  EXPECT_EQ(
      error("1,2\ndog,2\n"),
      "f.csv: line 2, column 1: label 'dog' is out of range, expected a whole number 0 … 65535, as in other lines");
  EXPECT_EQ(error("dog,2\n,2\n"), "f.csv: line 2, column 1: the label is empty");
}

TEST(Csv, AWideFirstLineAsksForNoMemory) {
  std::string text = row("0", 200'000, "1");
  for (int i = 0; i < 200'000; ++i) text += "0,1\n";
  EXPECT_EQ(message_of([&] { parse_csv(text, "f"); }), "f: line 2: 2 fields, expected 200001");
}

TEST(Csv, TheFirstBadLineIsReportedOnAnyNumberOfThreads) {
  std::string text;
  for (int i = 1; i <= 5000; ++i) text += i > 4000 && i % 7 == 0 ? "1,x\n" : "1,2\n";
  for (const int threads : {1, 2, 8})
    kernels::with_threads(threads, [&] {
      for (int repeat = 0; repeat < 5; ++repeat)
        EXPECT_EQ(message_of([&] { parse_csv(text, "f"); }), "f: line 4004, column 2: expected a number, found 'x'");
    });
}

TEST(Csv, Files) {
  const TempDir dir;
  const Dataset data = load_dataset(dir.put("a.csv", "label,x\n1,2\n0,3\n"));
  EXPECT_EQ(data.train.size(), 2);
  EXPECT_TRUE(data.test.empty());
  EXPECT_EQ(data.source, dir / "a.csv");
  EXPECT_EQ(load_dataset(dir.put("b.csv.gz", gzip("1,2\n0,3\n"))).train.size(), 2);
}

}  // namespace
}  // namespace telaio::nn
