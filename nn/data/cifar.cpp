#include <telaio/nn/data/cifar.hpp>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <sstream>
#include <vector>

#include <fmt/format.h>

#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/nn/io/file.hpp>

namespace telaio::nn {

namespace fs = std::filesystem;

namespace {

constexpr int64_t side = 32, plane = side * side, record = 1 + 3 * plane;

/// The files of training data, in the order of their numbers ("data_batch_10.bin" comes after "data_batch_2.bin").
std::vector<std::string> training_files(const std::string& directory) {
  std::vector<std::pair<int, std::string>> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    const std::string name = entry.path().filename().string();
    constexpr std::string_view before = "data_batch_", after = ".bin";
    if (!name.starts_with(before) || !name.ends_with(after)) continue;
    int number = 0;
    const char* end = name.data() + name.size() - after.size();
    const auto parsed = std::from_chars(name.data() + before.size(), end, number);
    if (parsed.ec == std::errc() && parsed.ptr == end) files.emplace_back(number, entry.path().string());
  }
  std::sort(files.begin(), files.end());
  std::vector<std::string> paths;
  for (auto& file : files) paths.push_back(std::move(file.second));
  return paths;
}

std::vector<std::string> class_names(const std::string& directory) {
  const std::string path = (fs::path(directory) / "batches.meta.txt").string();
  if (!path_exists(path))
    return {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"};
  std::istringstream lines(read_file(path));
  std::vector<std::string> names;
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty()) names.push_back(line);
  }
  if (names.empty()) throw Error(fmt::format("{}: line 1: expected a class name a line, found none", path));
  return names;
}

/// The records of one file.
void read_records(const std::string& path, std::string_view bytes, int64_t classes, uint8_t* pixels, int64_t* labels) {
  const auto count = static_cast<int64_t>(bytes.size()) / record;
  const auto* from = reinterpret_cast<const uint8_t*>(bytes.data());
  for (int64_t i = 0; i < count; ++i) {
    labels[i] = from[i * record];
    if (labels[i] >= classes)
      throw Error(fmt::format("{}: byte {}: label {} is out of range, expected 0 … {}", path, i * record, labels[i],
                              classes - 1));
  }
  parallel_for(count, grain_for(2.0 * record), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      for (int64_t p = 0; p < plane; ++p)
        for (int64_t c = 0; c < 3; ++c) pixels[(i * plane + p) * 3 + c] = from[i * record + 1 + c * plane + p];
  });
}

Samples read_batches(const std::vector<std::string>& paths, const std::vector<std::string>& names) {
  std::vector<std::string> contents;
  int64_t total = 0;
  for (const std::string& path : paths) {
    contents.push_back(read_file(path));
    const auto size = static_cast<int64_t>(contents.back().size());
    if (size == 0 || size % record != 0)
      throw Error(fmt::format("{}: byte {}: the file ends, expected one or more whole records of {} bytes", path, size,
                              record));
    total += size / record;
  }
  const Array inputs({u8, {total, side, side, 3}}), labels({i64, {total}});
  int64_t first = 0;
  for (size_t i = 0; i < paths.size(); ++i) {
    read_records(paths[i], contents[i], static_cast<int64_t>(names.size()), inputs.data<uint8_t>() + first * 3 * plane,
                 labels.data<int64_t>() + first);
    first += static_cast<int64_t>(contents[i].size()) / record;
  }
  return {constant(inputs), constant(labels), names};
}

}  // namespace

bool has_cifar_files(const std::string& directory) { return !training_files(directory).empty(); }

Dataset load_cifar(const std::string& directory) {
  const std::vector<std::string> files = training_files(directory);
  if (files.empty()) throw Error(fmt::format("{}: no data_batch_*.bin", directory));
  const std::vector<std::string> names = class_names(directory);
  Dataset data{read_batches(files, names), {}, directory};
  const std::string test = (fs::path(directory) / "test_batch.bin").string();
  if (path_exists(test)) data.test = read_batches({test}, names);
  check(data);
  return data;
}

}  // namespace telaio::nn
