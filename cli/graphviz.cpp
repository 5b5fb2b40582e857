#include "graphviz.hpp"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include <fmt/format.h>

#include <telaio/autograd/error.hpp>
#include <telaio/nn/io/file.hpp>

extern char** environ;

namespace telaio::cli {

namespace {

/// A file that goes away with the object.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::string_view content) {
    std::string name = (std::filesystem::temp_directory_path() / "telaio-XXXXXX").string();
    const int file = mkstemp(name.data());
    if (file < 0) throw Error(fmt::format("{}: cannot be written: {}", name, std::strerror(errno)));
    path = name;
    close(file);
    if (!content.empty()) nn::write_file(path, content);
  }
  ~TemporaryFile() { unlink(path.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  std::string path;
};

}  // namespace

std::string graphviz_svg(const std::string& dot) {
  const TemporaryFile graph(dot), picture("");
  const std::string out = "-o" + picture.path;
  const char* arguments[] = {"dot", "-Tsvg", out.c_str(), graph.path.c_str(), nullptr};
  pid_t child = 0;
  const int error = posix_spawnp(&child, "dot", nullptr, nullptr, const_cast<char**>(arguments), environ);
  if (error != 0)
    throw Error(
        fmt::format("cannot run Graphviz's dot: {}; install graphviz, or write a .dot file", std::strerror(error)));
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    throw Error("Graphviz's dot failed; write a .dot file to see its input");
  return nn::read_file(picture.path);
}

}  // namespace telaio::cli
