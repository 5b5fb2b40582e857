#include <telaio/nn/train/class_weights.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../../message_of.hpp"

namespace telaio::nn {
namespace {

using Pairs = std::map<int64_t, double>;
const std::vector<std::string> names{"cat", "dog", "a=b"};

TEST(ClassWeights, Parse) {
  EXPECT_FALSE(parse_class_weights("", names).any());
  EXPECT_FALSE(parse_class_weights("none", names).any());
  EXPECT_TRUE(parse_class_weights("balanced", names).balanced);
  const ClassWeights some = parse_class_weights("dog=2.5,0=0,a=b=1e-3", names);
  EXPECT_FALSE(some.balanced);
  EXPECT_TRUE(some.any());
  EXPECT_EQ(some.weights, (Pairs{{0, 0}, {1, 2.5}, {2, 1e-3}}));
}

TEST(ClassWeights, PrintsWhatItParses) {
  for (const char* text : {"none", "balanced", "0=1", "0=0.30000000000000004,2=5"})
    EXPECT_EQ(to_string(parse_class_weights(text, names)), text);
  EXPECT_EQ(to_string(parse_class_weights("dog=2,cat=3", names)), "0=3,1=2");
}

TEST(ClassWeights, ParseErrors) {
  const auto error = [](std::string_view text) { return message_of([&] { parse_class_weights(text, names); }); };
  const std::string expected = ": expected balanced, or CLASS=WEIGHT with a weight of at least 0";
  EXPECT_EQ(error("cat"), "class weights: 'cat'" + expected);
  EXPECT_EQ(error("cat="), "class weights: 'cat='" + expected);
  EXPECT_EQ(error("cat=-1"), "class weights: 'cat=-1'" + expected);
  EXPECT_EQ(error("cat=nan"), "class weights: 'cat=nan'" + expected);
  EXPECT_EQ(error("cat=inf"), "class weights: 'cat=inf'" + expected);
  EXPECT_EQ(error("cat=2x"), "class weights: 'cat=2x'" + expected);
  EXPECT_EQ(error("cat=1,,dog=2"), "class weights: ''" + expected);
  EXPECT_EQ(error("bird=1"), "unknown class 'bird': the classes are cat dog a=b");
  EXPECT_EQ(error("3=1"), "unknown class '3': the classes are cat dog a=b");
  EXPECT_EQ(error("cat=1,0=2"), "class weights: class 0 is given twice");
}

TEST(ClassWeights, Resolve) {
  using Weights = std::vector<double>;
  const std::vector<int64_t> counts{10, 30, 0};
  EXPECT_EQ(resolve({}, 3, counts), (Weights{1, 1, 1}));
  EXPECT_EQ(resolve({.weights = {{1, 0.5}}}, 3, counts), (Weights{1, 0.5, 1}));
  EXPECT_EQ(resolve({.balanced = true}, 3, counts), (Weights{40.0 / 30, 40.0 / 90, 1}));
  EXPECT_EQ(message_of([&] { resolve({.weights = {{3, 1}}}, 3, counts); }), "class weights: class 3 of 3");
  EXPECT_EQ(message_of([&] { resolve({.weights = {{-1, 1}}}, 3, counts); }), "class weights: class -1 of 3");
}

}  // namespace
}  // namespace telaio::nn
