// The program as a user runs it: its exit codes, and what it writes where.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace telaio {

inline std::string content(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

/// Runs `telaio` in a directory of its own.
class Program : public testing::Test {
 protected:
  void SetUp() override {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    const auto name = fmt::format("telaio_{}_{}_{}", test->test_suite_name(), test->name(), getpid());
    folder_ = std::filesystem::temp_directory_path() / name;
    output_ = folder_.string() + ".out";
    std::filesystem::create_directories(folder_);
    std::filesystem::create_directories(output_);
  }
  void TearDown() override {
    std::filesystem::remove_all(folder_);
    std::filesystem::remove_all(output_);
  }

  /// Runs it there (behind `prefix`, such as "timeout -s KILL 1"), and keeps what it wrote. The exit code, or as a
  /// shell has it, 128 + the signal that ended it.
  int run(const std::string& arguments, const std::string& prefix = "") {
    const std::string command =
        fmt::format("cd '{}' && exec {} '{}' {} >'{}/out' 2>'{}/err' </dev/null", folder_.string(), prefix,
                    TELAIO_PROGRAM, arguments, output_.string(), output_.string());
    const int status = std::system(command.c_str());
    out_ = content(output_ / "out");
    err_ = content(output_ / "err");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  /// The names of what is in the directory.
  std::set<std::string> files() const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_))
      names.insert(entry.path().filename().string());
    return names;
  }
  std::filesystem::path at(const std::string& name) const { return folder_ / name; }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(at(name), std::ios::binary) << text;
  }
  boost::json::object json(const std::string& text) const { return boost::json::parse(text).as_object(); }

  /// Exit code 2, one line on standard error that contains `expected`, nothing on standard output, and no new files.
  void expect_refused(const std::string& arguments, const std::string& expected) {
    SCOPED_TRACE(arguments);
    const std::set<std::string> before = files();
    EXPECT_EQ(run(arguments), 2);
    EXPECT_THAT(err_, testing::HasSubstr(expected));
    EXPECT_TRUE(std::count(err_.begin(), err_.end(), '\n') == 1 && err_.ends_with('\n')) << err_;
    EXPECT_THAT(out_, testing::IsEmpty());
    EXPECT_EQ(files(), before);
  }

  std::filesystem::path folder_, output_;
  std::string out_, err_;
};

}  // namespace telaio
