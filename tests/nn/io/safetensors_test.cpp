#include <telaio/nn/io/safetensors.hpp>

#include <cstring>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <telaio/telaio.hpp>

#include "../../ops/op_testing.hpp"
#include "../temp_dir.hpp"

namespace telaio::nn {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;
using testing_ops::expect_same;

/// A number as the file has it.
template <class T>
std::string raw(T value) {
  std::string text(sizeof value, '\0');
  std::memcpy(text.data(), &value, sizeof value);
  return text;
}

std::string file_of(const std::string& header, const std::string& data = "") {
  return raw(uint64_t{header.size()}) + header + data;
}

std::string error(const std::string& file) {
  return message_of([&] { parse_safetensors(file, "m"); });
}
std::string header_error(const std::string& header, size_t data_bytes = 0) {
  return error(file_of(header, std::string(data_bytes, '\0')));
}

std::string written(const SafeTensors& content) {
  const TempDir dir;
  write_safetensors(dir / "m", content);
  EXPECT_THAT(dir.names(), ElementsAre("m"));
  return telaio::nn::content(dir / "m");
}

TEST(SafeTensors, RoundTrip) {
  const SafeTensors saved{{{"mask", tensor({true, false, true})},
                           {"bytes", cast(tensor({0, 255, 7}), u8)},
                           {"i32", tensor({{1, -2}, {std::numeric_limits<int32_t>::min(), 4}})},
                           {"i64", from_data(std::vector<int64_t>{std::numeric_limits<int64_t>::min(), 5}, {2, 1})},
                           {"f32", from_data(std::vector<float>{-0.0f, INFINITY, std::nanf("7"), 1e-45f}, {1, 4})},
                           {"f64", tensor({-0.0, 1e-320, 0.1})},
                           {"scalar", Tensor(2.5f)},
                           {"empty", zeros({3, 0, 2})},
                           {"", tensor({1.0f})},
                           {"a \"quoted\"\n/ ü.weight", ones({1, 1, 1, 1, 1, 1, 1, 2})},
                           {"strided", transpose(testing_ops::counting({2, 3}, f32))},
                           {"repeated", full({2, 2}, 3)}},
                          {{"epoch", "3"}, {"", "empty name"}, {"note", "two\nlines, \"quoted\", ü"}}};
  const std::string bytes = written(saved);
  EXPECT_EQ(bytes, written(saved));
  const SafeTensors read = parse_safetensors(bytes, "m");
  EXPECT_EQ(read.metadata, saved.metadata);
  ASSERT_EQ(read.tensors.size(), saved.tensors.size());
  for (size_t i = 0; i < saved.tensors.size(); ++i) {
    EXPECT_EQ(read.tensors[i].first, saved.tensors[i].first);
    expect_same(read.tensors[i].second, saved.tensors[i].second);
    EXPECT_TRUE(read.tensors[i].second.value().is_contiguous());
  }
  EXPECT_EQ(written(read), bytes);
  ASSERT_NE(read.find("i64"), nullptr);
  EXPECT_THAT(read.find("i64")->to_vector<int64_t>(), ElementsAre(std::numeric_limits<int64_t>::min(), 5));
  EXPECT_EQ(read.find("other"), nullptr);
}

TEST(SafeTensors, Nothing) {
  EXPECT_EQ(written({}), file_of("{}      "));
  const SafeTensors read = parse_safetensors(file_of("{}"), "m");
  EXPECT_THAT(read.tensors, IsEmpty());
  EXPECT_THAT(read.metadata, IsEmpty());
}

TEST(SafeTensors, ExactBytes) {
  // The larger elements come first, whatever the order of the header.
  EXPECT_EQ(written({{{"b", tensor({true})}, {"w", tensor({{1.5f}, {-2.0f}})}, {"n", from_data<int64_t>({7}, {})}},
                     {{"k", "v"}}}),
            file_of(R"({"__metadata__":{"k":"v"},)"
                    R"("b":{"dtype":"BOOL","shape":[1],"data_offsets":[16,17]},)"
                    R"("w":{"dtype":"F32","shape":[2,1],"data_offsets":[8,16]},)"
                    R"("n":{"dtype":"I64","shape":[],"data_offsets":[0,8]}}  )",
                    raw(int64_t{7}) + raw(1.5f) + raw(-2.0f) + "\1"));
}

TEST(SafeTensors, ReadsWhatOthersWrite) {
  const std::string header = R"({ "b" : {"shape":[2], "dtype":"U8","data_offsets":[4,6]},)"
                             R"("e":{"dtype":"F64","shape":[0,5],"data_offsets":[4,4]},)"
                             R"("\u0061":{"data_offsets":[0,4],"dtype":"F32","shape":[1,1]},)"
                             R"("__metadata__":{"format":"pt"}}   )";
  const SafeTensors read = parse_safetensors(file_of(header, raw(0.5f) + bytes(3, 200)), "m");
  ASSERT_EQ(read.tensors.size(), 3u);
  EXPECT_EQ(read.tensors[0].first, "b");
  EXPECT_THAT(ints(*read.find("b")), ElementsAre(3, 200));
  EXPECT_EQ(to_string(read.find("e")->spec()), "f64[0,5]");
  EXPECT_EQ(to_string(read.find("a")->spec()), "f32[1,1]");
  EXPECT_EQ(read.find("a")->item<float>(), 0.5f);
  EXPECT_EQ(read.metadata.at("format"), "pt");
}

TEST(SafeTensors, ErrorsOfTheFile) {
  EXPECT_EQ(error(""), "m: not a safetensors file: 0 bytes, expected at least 8");
  EXPECT_EQ(error("1234567"), "m: not a safetensors file: 7 bytes, expected at least 8");
  EXPECT_EQ(error("12345678"),
            "m: not a safetensors file: it begins with a header of 4050765991979987505 bytes, expected at most "
            "100000000");
  EXPECT_EQ(error(raw(uint64_t{100'000'000}) + "{}"), "m: cut off: expected a header of 100000000 bytes, there are 2");
  EXPECT_EQ(error(file_of("")), "m: byte 8: expected a JSON object that begins with '{'");
  EXPECT_EQ(error(file_of("[]")), "m: byte 8: expected a JSON object that begins with '{'");
  EXPECT_THAT(error(file_of("{\"a\":")), StartsWith("m: byte 13: the header is no JSON: "));
  EXPECT_THAT(error(file_of("{} x")), StartsWith("m: byte 11: the header is no JSON: "));
  EXPECT_THAT(error(file_of("{\"a\xff\":1}")), StartsWith("m: byte 11: the header is no JSON: "));

  const std::string header = R"({"w":{"dtype":"I32","shape":[2,1],"data_offsets":[0,8]}})";
  EXPECT_EQ(header_error(header, 8), "no error");
  EXPECT_EQ(header_error(header, 5), "m: cut off: expected 8 bytes of data, there are 5");
  EXPECT_EQ(header_error(header, 9), "m: expected 8 bytes of data, there are 9");
  EXPECT_EQ(header_error("{}", 1), "m: expected 0 bytes of data, there are 1");
}

TEST(SafeTensors, ErrorsOfTheHeader) {
  EXPECT_EQ(header_error(R"({"w":1,"w":2})"), R"(m: the header has the name "w" twice)");
  EXPECT_EQ(header_error(R"({"w":3})"), R"(m: tensor "w": expected an object, got a number)");
  EXPECT_EQ(header_error("{\"w\\n\":[]}"), R"(m: tensor "w\n": expected an object, got an array)");
  EXPECT_EQ(header_error(R"({"__metadata__":null})"), "m: __metadata__: expected an object, got null");
  EXPECT_EQ(header_error(R"({"__metadata__":{"k":true}})"), R"(m: __metadata__: "k": expected a string, got a bool)");
  EXPECT_EQ(header_error(R"({"__metadata__":{"k":"1","k":"2"}})"), R"(m: the header has the name "k" twice)");

  const auto entry = [](const std::string& dtype, const std::string& shape, const std::string& offsets) {
    return header_error("{\"w\":{\"dtype\":" + dtype + ",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}}",
                        8);
  };
  EXPECT_EQ(entry("\"F64\"", "[]", "[0,8]"), "no error");
  EXPECT_EQ(entry("\"BF16\"", "[4]", "[0,8]"),
            R"(m: tensor "w": type "BF16", expected BOOL, U8, I32, I64, F32 or F64)");
  EXPECT_EQ(entry("6", "[4]", "[0,8]"), R"(m: tensor "w": dtype: expected a string, got a number)");
  EXPECT_EQ(entry("\"F32\"", "2", "[0,8]"), R"(m: tensor "w": shape: expected an array, got a number)");
  EXPECT_EQ(entry("\"F32\"", "[2]", "\"0,8\""), R"(m: tensor "w": data_offsets: expected an array, got a string)");
  for (const std::string bad : {"-2", "2E0", "9223372036854775808"})
    EXPECT_EQ(entry("\"F32\"", "[" + bad + "]", "[0,8]"),
              R"(m: tensor "w": shape: expected whole numbers from 0 to 2^63-1, got )" + bad);
  EXPECT_EQ(entry("\"F32\"", "[2]", "[null,8]"),
            R"(m: tensor "w": data_offsets: expected whole numbers from 0 to 2^63-1, got null)");
  EXPECT_EQ(entry("\"F32\"", "[2]", "[8]"), R"(m: tensor "w": data_offsets: expected [begin,end], got [8])");
  EXPECT_EQ(entry("\"F32\"", "[2]", "[8,0]"), R"(m: tensor "w": data_offsets: expected [begin,end], got [8,0])");
  EXPECT_EQ(entry("\"F32\"", "[1,1,1,1,1,1,1,1,2]", "[0,8]"), R"(m: tensor "w": 9 axes, expected at most 8)");
  EXPECT_EQ(entry("\"F32\"", "[3]", "[0,8]"), R"(m: tensor "w": F32 [3] takes 12 bytes, data_offsets [0,8] have 8)");
  EXPECT_EQ(entry("\"U8\"", "[4294967296,4294967296]", "[0,8]"),
            R"(m: tensor "w": the shape [4294967296,4294967296] is too large)");
  EXPECT_EQ(header_error(R"({"w":{"shape":[8],"data_offsets":[0,8]}})", 8), R"(m: tensor "w": dtype is missing)");
  EXPECT_EQ(header_error(R"({"w":{"dtype":"U8","data_offsets":[0,8]}})", 8), R"(m: tensor "w": shape is missing)");
  EXPECT_EQ(header_error(R"({"w":{"dtype":"U8","shape":[8]}})", 8), R"(m: tensor "w": data_offsets is missing)");
  EXPECT_EQ(header_error(R"({"w":{"dtype":"U8","shape":[8],"data_offsets":[0,8],"scale":2}})", 8),
            R"(m: tensor "w": unknown field "scale", expected dtype, shape and data_offsets)");
  EXPECT_EQ(error(file_of(R"({"w":{"dtype":"BOOL","shape":[3],"data_offsets":[0,3]}})", bytes(1, 0, 2))),
            R"(m: tensor "w": element 2: expected a BOOL of 0 or 1, got 2)");
}

TEST(SafeTensors, ErrorsOfTheLayout) {
  const auto pair = [](int a_begin, int a_end, int b_begin, int b_end, size_t data_bytes) {
    const auto entry = [](int begin, int end) {
      return "{\"dtype\":\"U8\",\"shape\":[" + std::to_string(end - begin) + "],\"data_offsets\":[" +
             std::to_string(begin) + "," + std::to_string(end) + "]}";
    };
    return header_error("{\"a\":" + entry(a_begin, a_end) + ",\"b\":" + entry(b_begin, b_end) + "}", data_bytes);
  };
  EXPECT_EQ(pair(0, 2, 2, 3, 3), "no error");
  EXPECT_EQ(pair(2, 3, 0, 2, 3), "no error");
  EXPECT_EQ(pair(2, 2, 0, 2, 2), "no error");
  EXPECT_EQ(pair(0, 3, 2, 4, 4), R"(m: tensor "b" begins at byte 2 of the data, inside tensor "a", which ends at 3)");
  EXPECT_EQ(pair(0, 3, 0, 3, 3), R"(m: tensor "b" begins at byte 0 of the data, inside tensor "a", which ends at 3)");
  EXPECT_EQ(pair(0, 4, 2, 2, 4), R"(m: tensor "b" begins at byte 2 of the data, inside tensor "a", which ends at 4)");
  EXPECT_EQ(pair(3, 5, 0, 2, 5),
            R"(m: bytes 2 to 3 of the data belong to no tensor, expected tensor "a" to begin at 2)");
  EXPECT_EQ(pair(1, 2, 2, 3, 3),
            R"(m: bytes 0 to 1 of the data belong to no tensor, expected tensor "a" to begin at 0)");
}

/// Either an Error or a whole result, whose bytes can all be read.
bool parses(const std::string& file) {
  try {
    for (const auto& [name, value] : parse_safetensors(file, "m").tensors) value.to_vector<double>();
    return true;
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), StartsWith("m: "));
    EXPECT_THAT(e.what(), testing::Not(HasSubstr("\n")));
    return false;
  }
}

TEST(SafeTensors, AnyDamageIsAnErrorOrAResult) {
  const std::string file =
      written({{{"w", tensor({{1.5f, 2.0f}})}, {"mask", tensor({true, false})}, {"n", Tensor(3.0)}}, {{"k", "v"}}});
  ASSERT_TRUE(parses(file));
  for (size_t size = 0; size < file.size(); ++size) EXPECT_FALSE(parses(file.substr(0, size))) << size << " bytes";
  uint64_t header = 0;
  std::memcpy(&header, file.data(), sizeof header);
  int accepted = 0;
  for (size_t at = 0; at < 8 + header; ++at)
    for (int byte = 0; byte < 256; ++byte) {
      std::string changed = file;
      changed[at] = static_cast<char>(byte);
      const bool same = changed == file;
      EXPECT_TRUE(!same || parses(changed));
      accepted += !same && parses(changed);
    }
  EXPECT_GT(accepted, 0) << "other names are as good";
}

TEST(SafeTensors, ErrorsOfWriting) {
  const TempDir dir;
  const std::string path = dir / "m";
  const auto write_error = [&](const SafeTensors& content) {
    return message_of([&] { write_safetensors(path, content); });
  };
  const Tensor x(1.0);
  EXPECT_EQ(write_error({{{"x", x}, {"y", x}, {"x", x}}, {}}), path + ": two tensors have the name \"x\"");
  EXPECT_EQ(write_error({{{"x", {}}}, {}}), path + ": tensor \"x\" is undefined");
  EXPECT_EQ(write_error({{{"__metadata__", x}}, {}}), path + ": a tensor cannot have the name __metadata__");
  EXPECT_EQ(write_error({{{"\xff", x}}, {}}), path + ": a name or some metadata is not UTF-8");
  EXPECT_EQ(write_error({{}, {{"k", "\xc3"}}}), path + ": a name or some metadata is not UTF-8");
  EXPECT_THAT(dir.names(), IsEmpty());

  const std::string nowhere = dir.path() + "/no/m";
  EXPECT_EQ(message_of([&] { write_safetensors(nowhere, {}); }),
            nowhere + ": cannot be written: No such file or directory");
  EXPECT_EQ(message_of([&] { read_safetensors(nowhere); }), nowhere + ": cannot be read: No such file or directory");
  EXPECT_THAT(dir.names(), IsEmpty());
}

}  // namespace
}  // namespace telaio::nn
