#include <telaio/nn/io/json_keys.hpp>

#include <gtest/gtest.h>

namespace telaio::nn {
namespace {

TEST(JsonKeys, Repeated) {
  EXPECT_EQ(repeated_key(R"({"a":1,"b":{"a":2},"c":[{"a":3},{"a":4}]})"), std::nullopt);
  EXPECT_EQ(repeated_key(R"({"a":1,"b":2,"a":3})"), "a");
  EXPECT_EQ(repeated_key(R"({"x":[{"":1,"":2}]})"), "");
  EXPECT_EQ(repeated_key(R"({"x":{"y":0},"ab":1,"a\u0062":2})"), "ab");
  EXPECT_EQ(repeated_key(R"({"a":)"), std::nullopt);
}

}  // namespace
}  // namespace telaio::nn
