#include <telaio/nn/io/json.hpp>

#include <cmath>
#include <random>

#include <fmt/format.h>
#include <boost/json.hpp>

#include "../../ops/op_testing.hpp"

namespace telaio::nn {
namespace {


TEST(Json, Values) {
  const auto value =
      parse_json(R"( {"a": [1, -2, 3.5, true, null, "x\ny\u00e9"], "b": {}, "c": 18446744073709551615} )", "s");
  const auto& list = value.at("a").as_array();
  EXPECT_EQ(list[0].as_int64(), 1);
  EXPECT_EQ(list[1].as_int64(), -2);
  EXPECT_EQ(list[2].as_double(), 3.5);
  EXPECT_TRUE(list[3].as_bool());
  EXPECT_TRUE(list[4].is_null());
  EXPECT_EQ(list[5].as_string(), "x\ny\xc3\xa9");
  EXPECT_TRUE(value.at("b").as_object().empty());
  EXPECT_EQ(value.at("c").as_uint64(), UINT64_MAX);
  EXPECT_EQ(parse_json("7", "s").as_int64(), 7);
  EXPECT_EQ(parse_json("-0.25e1", "s").as_double(), -2.5);
  EXPECT_EQ(parse_json("\"\"", "s").as_string(), "");
}

TEST(Json, NumbersAreTheNearestDoubles) {
  std::mt19937_64 random(1);
  std::uniform_real_distribution<double> exponent(-12, 3);
  for (int i = 0; i < 2000; ++i) {
    const double x = (i % 2 == 0 ? 1 : -1) * std::pow(10, exponent(random));
    EXPECT_EQ(parse_json(boost::json::serialize(boost::json::value(x)), "s").as_double(), x);
    EXPECT_EQ(parse_json(fmt::format("[{}]", x), "s").as_array()[0].to_number<double>(), x);
  }
  EXPECT_EQ(parse_json("1e-400", "s").as_double(), 0);
}

TEST(Json, Errors) {
  const auto error = [](const char* text) { return message_of([&] { parse_json(text, "net.json"); }); };
  EXPECT_EQ(error("{\n  \"a\": 1,,\n}"), "net.json: line 2, column 10: no JSON: syntax error");
  EXPECT_EQ(error(""), "net.json: line 1, column 1: no JSON: incomplete JSON");
  EXPECT_EQ(error("[1, 2"), "net.json: line 1, column 6: no JSON: incomplete JSON");
  EXPECT_EQ(error("[1.5"), "net.json: line 1, column 5: no JSON: incomplete JSON");
  EXPECT_EQ(error("{} x"), "net.json: line 1, column 4: no JSON: something follows the value");
  EXPECT_EQ(error("{'a': 1}"), "net.json: line 1, column 2: no JSON: syntax error");
  EXPECT_NE(error("[nan]"), "no error");
}

TEST(Json, PrettyReadsBack) {
  const auto value =
      parse_json(R"({"a": [1, {"b": []}], "c": {"d": "e"}, "f": [1, 2], "g": 0.30000000000000004})", "s");
  EXPECT_EQ(parse_json(pretty(value), "s"), value);
}

}  // namespace
}  // namespace telaio::nn
