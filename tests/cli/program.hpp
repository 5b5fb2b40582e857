// The program as a user runs it: its exit codes, and what it writes where.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include <telaio/nn/io/safetensors.hpp>

#include "../nn/temp_dir.hpp"

namespace telaio::cli {

using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

/// What a run of the program left: -signal as the code where a signal ended it.
struct Run {
  int code = -1;
  std::string out, err;
};

/// The program in a directory of its own, which it is started in.
class Program : public testing::Test {
 protected:
  /// Starts it with arguments as a shell would split them (single quotes keep spaces).
  pid_t start(const std::string& arguments) const {
    std::vector<std::string> words{TELAIO_PROGRAM};
    std::string word;
    bool quoted = false, any = false;
    for (const char c : arguments + " ") {
      if (c == '\'') {
        quoted = !quoted;
        any = true;
      } else if (c == ' ' && !quoted) {
        if (any) words.push_back(word);
        word.clear();
        any = false;
      } else {
        word += c;
        any = true;
      }
    }
    std::vector<char*> pointers;
    for (std::string& one : words) pointers.push_back(one.data());
    pointers.push_back(nullptr);
    const std::string here = folder_.path(), out = out_file(), err = streams_.path() + "/err";
    if (stdout_.empty()) unlink(out.c_str());  // who waits for a line must not see the last run's
    const pid_t child = fork();
    if (child == 0) {
      const int to = open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
      const int errors = open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
      if (to < 0 || errors < 0 || dup2(to, 1) < 0 || dup2(errors, 2) < 0 || chdir(here.c_str()) != 0) _exit(126);
      execv(pointers[0], pointers.data());
      _exit(127);
    }
    return child;
  }

  /// Waits for its end, and reads what it wrote.
  int finish(pid_t child) {
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    out_ = stdout_.empty() ? nn::content(out_file()) : "";
    err_ = nn::content(streams_.path() + "/err");
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  int run(const std::string& arguments) { return finish(start(arguments)); }

  /// Runs it where everything must go well, and gives what it printed.
  std::string good(const std::string& arguments) {
    EXPECT_EQ(run(arguments), 0) << arguments << "\n" << err_;
    EXPECT_THAT(err_, IsEmpty()) << arguments;
    return out_;
  }
  boost::json::value good_json(const std::string& arguments) {
    boost::json::error_code error;
    boost::json::value value = boost::json::parse(good(arguments), error);  // nothing but JSON
    EXPECT_FALSE(error) << arguments << "\n" << out_;
    return value;
  }

  /// Wrong input: code 2, nothing on standard output, one line on standard error, no file changed or left over. Gives
  /// the line.
  std::string refused(const std::string& arguments) {
    SCOPED_TRACE(arguments);
    const auto before = files();
    EXPECT_EQ(run(arguments), 2) << err_;
    EXPECT_THAT(out_, IsEmpty());
    EXPECT_EQ(std::count(err_.begin(), err_.end(), '\n'), 1) << err_;
    EXPECT_TRUE(err_.starts_with("telaio") && err_.ends_with('\n')) << err_;
    EXPECT_TRUE(files() == before) << "files are now " << fmt::format("{}", fmt::join(names(), " "));
    return err_.substr(0, err_.find('\n'));
  }

  /// All files and their content.
  std::map<std::string, std::string> files() const {
    std::map<std::string, std::string> all;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_.path()))
      if (entry.is_regular_file()) all[entry.path().string()] = nn::content(entry.path().string());
    return all;
  }
  /// What stands in the directory, by name.
  std::vector<std::string> names() const {
    std::vector<std::string> all = folder_.names();
    std::sort(all.begin(), all.end());
    return all;
  }
  std::string path(std::string_view name) const { return folder_ / name; }
  std::string read(std::string_view name) const { return nn::content(folder_ / name); }
  bool exists(std::string_view name) const { return std::filesystem::exists(folder_.path() + "/" + std::string(name)); }

  /// Names and bytes of the tensors in a file.
  std::map<std::string, std::string> tensors(std::string_view name) const {
    std::map<std::string, std::string> all;
    for (const auto& [key, tensor] : nn::read_safetensors(folder_ / name).tensors) {
      const Array values = tensor.value().contiguous();
      all[key + " " + to_string(values.spec())] = {reinterpret_cast<const char*>(values.bytes()),
                                                   static_cast<size_t>(values.spec().bytes())};
    }
    return all;
  }

  std::string out_file() const { return stdout_.empty() ? streams_.path() + "/out" : stdout_; }

  nn::TempDir folder_, streams_;
  std::string stdout_;  ///< where standard output goes instead of out_
  std::string out_, err_;
};

}  // namespace telaio::cli
