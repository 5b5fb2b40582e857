// Files for tests.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include <stdlib.h>

#include <telaio/autograd/tensor.hpp>

#include "../message_of.hpp"

namespace telaio::nn {

/// A directory of its own, removed at the end.
class TempDir {
 public:
  TempDir() {
    std::string name = (std::filesystem::temp_directory_path() / "telaio-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary directory");
    path_ = name;
  }
  ~TempDir() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  std::string path() const { return path_.string(); }
  /// The path of a file inside, whose directory is there.
  std::string operator/(std::string_view name) const {
    const auto file = path_ / name;
    std::filesystem::create_directories(file.parent_path());
    return file.string();
  }
  /// Writes a file inside, and returns its path.
  std::string put(std::string_view name, std::string_view bytes) const {
    const std::string file = *this / name;
    std::ofstream(file, std::ios::binary) << bytes;
    return file;
  }
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& entry : std::filesystem::directory_iterator(path_))
      all.push_back(entry.path().filename().string());
    return all;
  }

 private:
  std::filesystem::path path_;
};

inline std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The bytes of the numbers, each below 256.
template <class... T>
std::string bytes(T... numbers) {
  return {static_cast<char>(numbers)...};
}

inline std::vector<int> ints(const Tensor& tensor) { return tensor.to_vector<int>(); }

}  // namespace telaio::nn
