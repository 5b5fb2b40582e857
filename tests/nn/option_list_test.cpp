#include <telaio/nn/option_list.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../message_of.hpp"

namespace telaio::nn {
namespace {

TEST(OptionList, TakesWhatIsThere) {
  OptionList options("thing", "round,size=2.5,count=-7,hollow,flat=0,deep=true,dull=false");
  EXPECT_EQ(options.name({"square", "round"}), "round");
  double size = 1, other = 3;
  EXPECT_TRUE(options.number("size", size, 0, 10));
  EXPECT_EQ(size, 2.5);
  EXPECT_FALSE(options.number("other", other, 0, 10));
  EXPECT_EQ(other, 3);
  int64_t count = 0, rest = 4;
  EXPECT_TRUE(options.whole("count", count, -10, 10));
  EXPECT_EQ(count, -7);
  EXPECT_FALSE(options.whole("rest", rest, -10, 10));
  EXPECT_EQ(rest, 4);
  bool hollow = false, flat = true, deep = false, dull = true, kept = true;
  EXPECT_TRUE(options.flag("hollow", hollow));
  EXPECT_TRUE(options.flag("flat", flat));
  EXPECT_TRUE(options.flag("deep", deep));
  EXPECT_TRUE(options.flag("dull", dull));
  EXPECT_FALSE(options.flag("kept", kept));
  EXPECT_TRUE(hollow && !flat && deep && !dull && kept);
  EXPECT_NO_THROW(options.finish());
}

TEST(OptionList, NothingIsAnEmptyList) {
  OptionList options("thing", "");
  EXPECT_NO_THROW(options.finish());
}

TEST(OptionList, EndsOfRangesBelongToThem) {
  double value = 0;
  int64_t whole = 0;
  OptionList options("thing", "a=0,b=10,c=0,d=10");
  EXPECT_TRUE(options.number("a", value, 0, 10) && options.number("b", value, 0, 10));
  EXPECT_TRUE(options.whole("c", whole, 0, 10) && options.whole("d", whole, 0, 10));
}

TEST(OptionList, ErrorsOfTheTextItself) {
  const auto error = [](std::string_view text) { return message_of([&] { OptionList("thing", text); }); };
  EXPECT_EQ(error("a=1,b=2,a=3"), "thing: a is given twice");
  EXPECT_EQ(error("a,a"), "thing: a is given twice");
  EXPECT_EQ(error("a,=3"), "thing: '=3' has no name before the =");
  EXPECT_EQ(error("a,,b"), "thing: '' has no name before the =");
}

TEST(OptionList, ErrorsOfNames) {
  const auto error = [](std::string_view text) {
    return message_of([&] { OptionList("thing", text).name({"square", "round"}); });
  };
  EXPECT_EQ(error("oval,size=1"), "thing: 'oval' is unknown; expected square, round");
  EXPECT_EQ(error(""), "thing: '' is unknown; expected square, round");
  EXPECT_EQ(error("round=3"), "thing: 'round=3' is unknown; expected square, round");
  EXPECT_EQ(error("size=1,round"), "thing: 'size=1' is unknown; expected square, round");
}

TEST(OptionList, ErrorsOfValues) {
  const auto number = [](std::string_view text) {
    double value = 0.5;
    const std::string message = message_of([&] { OptionList("thing", text).number("size", value, 0, 10); });
    EXPECT_EQ(value, 0.5) << text;
    return message;
  };
  EXPECT_EQ(number("size"), "thing: size needs a number, as in size=0.5, got ''");
  EXPECT_EQ(number("size="), "thing: size needs a number, as in size=0.5, got ''");
  EXPECT_EQ(number("size=3px"), "thing: size needs a number, as in size=0.5, got '3px'");
  EXPECT_EQ(number("size=1=2"), "thing: size needs a number, as in size=0.5, got '1=2'");
  EXPECT_EQ(number("size=1e999"), "thing: size needs a number, as in size=0.5, got '1e999'");
  EXPECT_EQ(number("size=-1"), "thing: size is -1, expected 0 … 10");
  EXPECT_EQ(number("size=10.01"), "thing: size is 10.01, expected 0 … 10");
  EXPECT_EQ(number("size=nan"), "thing: size is nan, expected 0 … 10");
  EXPECT_EQ(number("size=inf"), "thing: size is inf, expected 0 … 10");

  const auto whole = [](std::string_view text) {
    int64_t value = 5;
    const std::string message = message_of([&] { OptionList("thing", text).whole("count", value, 1, 9); });
    EXPECT_EQ(value, 5) << text;
    return message;
  };
  EXPECT_EQ(whole("count"), "thing: count needs a whole number, as in count=5, got ''");
  EXPECT_EQ(whole("count=2.5"), "thing: count needs a whole number, as in count=5, got '2.5'");
  EXPECT_EQ(whole("count=99999999999999999999"),
            "thing: count needs a whole number, as in count=5, got '99999999999999999999'");
  EXPECT_EQ(whole("count=0"), "thing: count is 0, expected 1 … 9");
  EXPECT_EQ(whole("count=10"), "thing: count is 10, expected 1 … 9");

  const auto flag = [](std::string_view text) {
    bool value = false;
    return message_of([&] { OptionList("thing", text).flag("flat", value); });
  };
  EXPECT_EQ(flag("flat=yes"), "thing: flat takes 0, 1 or nothing, got 'yes'");
  EXPECT_EQ(flag("flat="), "thing: flat takes 0, 1 or nothing, got ''");
}

TEST(OptionList, WhatNobodyAskedForIsAnError) {
  OptionList options("thing", "round,size=1,colour=3");
  options.name({"round"});
  double size = 0;
  bool flat = false;
  options.number("size", size, 0, 10);
  options.flag("flat", flat);
  EXPECT_EQ(message_of([&] { options.finish(); }), "thing: unknown option 'colour', expected size, flat");
  OptionList bare("thing", "round,size=1");
  bare.name({"round"});
  EXPECT_EQ(message_of([&] { bare.finish(); }), "thing: unknown option 'size', expected none");
}

}  // namespace
}  // namespace telaio::nn
