// The program as a user runs it: its exit codes, and what it writes where.
#ifdef TELAIO_PROGRAM

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include <telaio/ops/samples/samples.hpp>

namespace telaio {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::string content(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

class Program : public testing::Test {
 protected:
  void SetUp() override {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::temp_directory_path() / fmt::format("telaio_cli_{}_{}", test->name(), getpid());
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // Runs it and keeps what it wrote.
  int run(const std::string& arguments) {
    const int status = std::system(fmt::format("'{}' {} >'{}' 2>'{}'", TELAIO_PROGRAM, arguments,
                                               (folder_ / "out").string(), (folder_ / "err").string())
                                       .c_str());
    out_ = content(folder_ / "out");
    err_ = content(folder_ / "err");
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  std::filesystem::path folder_;
  std::string out_, err_;
};

TEST_F(Program, TeachesItsUse) {
  EXPECT_EQ(run("--help"), 0);
  EXPECT_THAT(out_, HasSubstr("gradcheck"));
  EXPECT_EQ(run("gradcheck --help"), 0);
  for (const char* option : {"--op", "--seed", "--json", "Examples:", "Exit code"})
    EXPECT_THAT(out_, HasSubstr(option));
  EXPECT_EQ(run(""), 2);
  EXPECT_THAT(err_, HasSubstr("Usage"));
}

TEST_F(Program, RefusesWhatItDoesNotKnowInOneLine) {
  const auto one_line = [&] { return std::count(err_.begin(), err_.end(), '\n') == 1 && err_.ends_with('\n'); };
  const std::pair<const char*, const char*> cases[] = {
      {"gradchek", "'gradchek'"},
      {"--verbose", "option '--verbose'"},
      {"gradcheck --oops", "--oops"},
      {"gradcheck conv2d", ""},
      {"gradcheck --seed x", "seed"},
      {"gradcheck --op", "op"},
      {"gradcheck --op conv2", "there is no op 'conv2'; is it one of conv2d, conv2d_transpose"},
      {"gradcheck --op sigmiod", "sigmoid"},
  };
  for (const auto& [arguments, expected] : cases) {
    SCOPED_TRACE(arguments);
    EXPECT_EQ(run(arguments), 2);
    EXPECT_TRUE(one_line()) << err_;
    EXPECT_THAT(err_, HasSubstr(expected));
    EXPECT_THAT(out_, IsEmpty());
  }
}

TEST_F(Program, GradcheckPrintsALineAnOp) {
  EXPECT_EQ(run("gradcheck --op tanh --op less --seed 5"), 0);
  EXPECT_THAT(out_, HasSubstr("tanh"));
  EXPECT_THAT(out_, HasSubstr("less"));
  EXPECT_THAT(out_, HasSubstr("2 ops with seed 5: all passed"));
  EXPECT_EQ(std::count(out_.begin(), out_.end(), '\n'), 4);
  EXPECT_THAT(err_, IsEmpty()) << "the progress bar is for terminals";
}

TEST_F(Program, GradcheckOfEveryOpAsJson) {
  EXPECT_EQ(run("gradcheck --json -"), 0) << err_;
  const boost::json::object root = boost::json::parse(out_).as_object();  // nothing but JSON
  EXPECT_TRUE(root.at("passed").as_bool());
  const boost::json::array& ops = root.at("ops").as_array();
  ASSERT_EQ(ops.size(), samples::op_table().size());
  for (size_t i = 0; i < ops.size(); ++i) {
    const boost::json::object& op = ops[i].as_object();
    EXPECT_EQ(op.at("name").as_string(), samples::op_table()[i].name);
    EXPECT_TRUE(op.at("passed").as_bool());
    EXPECT_GE(op.at("samples").as_int64(), 3);
    EXPECT_LE(op.at("forward_error").as_double(), 1e-12);
    EXPECT_EQ(op.at("gradient_error").is_null(), op.at("second_error").is_null());
    if (!op.at("gradient_error").is_null()) {
      EXPECT_LE(op.at("gradient_error").as_double(), 1e-6);
      EXPECT_LE(op.at("second_error").as_double(), 1e-6);
    }
  }
}

TEST_F(Program, GradcheckWritesAFile) {
  const auto file = folder_ / "results.json";
  EXPECT_EQ(run(fmt::format("gradcheck --op equal --json '{}'", file.string())), 0);
  EXPECT_THAT(out_, HasSubstr("equal"));
  const auto op = boost::json::parse(content(file)).as_object().at("ops").as_array().at(0).as_object();
  EXPECT_EQ(op.at("name").as_string(), "equal");
  EXPECT_TRUE(op.at("gradient_error").is_null());
  for (const auto& entry : std::filesystem::directory_iterator(folder_))
    EXPECT_THAT(entry.path().string(), Not(EndsWith(".tmp")));
  EXPECT_EQ(run(fmt::format("gradcheck --op equal --json '{}/no/such/folder.json'", folder_.string())), 2);
  EXPECT_THAT(err_, HasSubstr("cannot be written"));
}

}  // namespace
}  // namespace telaio

#endif
