#include <telaio/nn/data/image_folder.hpp>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <filesystem>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/nn/data/first_error.hpp>
#include <telaio/nn/data/png.hpp>
#include <telaio/nn/io/file.hpp>

namespace telaio::nn {

namespace fs = std::filesystem;

namespace {

std::string lower_extension(const fs::path& path) {
  std::string extension = path.extension().string();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return extension;
}

bool hidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

/// What is in a directory, in alphabetical order.
std::vector<fs::path> entries(const fs::path& directory) {
  std::error_code error;
  std::vector<fs::path> paths;
  for (auto entry = fs::directory_iterator(directory, error); !error && entry != fs::directory_iterator();
       entry.increment(error))
    if (!hidden(entry->path())) paths.push_back(entry->path());
  if (error) throw Error(fmt::format("{}: the directory cannot be read: {}", directory.string(), error.message()));
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::vector<fs::path> directories(const fs::path& directory) {
  std::vector<fs::path> paths = entries(directory);
  std::erase_if(paths, [](const fs::path& path) { return !directory_exists(path); });
  return paths;
}

bool has_png(const fs::path& directory) {
  const std::vector<fs::path> files = entries(directory);
  return std::any_of(files.begin(), files.end(), [](const fs::path& file) { return lower_extension(file) == ".png"; });
}

bool has_classes(const fs::path& directory) {
  const std::vector<fs::path> classes = directories(directory);
  return std::any_of(classes.begin(), classes.end(), has_png);
}

std::vector<fs::path> png_files(const fs::path& directory) {
  std::vector<fs::path> files;
  for (const fs::path& file : entries(directory)) {
    const std::string extension = lower_extension(file);
    for (const std::string_view other : {".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
      if (extension == other)
        throw Error(fmt::format("{}: expected a .png file: no other images are read", file.string()));
    if (extension == ".png") files.push_back(file);
  }
  if (files.empty()) throw Error(fmt::format("{}: no .png files for the class", directory.string()));
  return files;
}

struct File {
  std::string path;
  int64_t label;
};

/// Fills one sample; grey images spread over `channels`.
void store(const Image& image, int64_t channels, uint8_t* out) {
  if (image.channels == channels) {
    std::memcpy(out, image.pixels.data(), image.pixels.size());
    return;
  }
  for (const uint8_t pixel : image.pixels) out = std::fill_n(out, channels, pixel);
}

Tensor read_images(const std::vector<File>& files) {
  const auto count = static_cast<int64_t>(files.size());
  std::vector<Image> images(files.size());
  FirstError errors;
  parallel_for(count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      errors.watch(i, [&] { images[static_cast<size_t>(i)] = read_png(files[static_cast<size_t>(i)].path); });
  });
  errors.rethrow();

  const int64_t height = images[0].height, width = images[0].width;
  int64_t channels = 1;
  for (size_t i = 0; i < files.size(); ++i) {
    if (images[i].height != height || images[i].width != width)
      throw Error(fmt::format("{}: {}x{} pixels, expected {}x{} as in {}", files[i].path, images[i].width,
                              images[i].height, width, height, files[0].path));
    channels = std::max(channels, images[i].channels);
  }
  const Array array({u8, {count, height, width, channels}});
  for (int64_t i = 0; i < count; ++i)
    store(images[static_cast<size_t>(i)], channels, array.data<uint8_t>() + i * height * width * channels);
  return constant(array);
}

/// The images of a part, whose classes are `names` (where it is empty: those that are found, which it then gets).
Samples read_part(const fs::path& directory, std::vector<std::string>& names) {
  const bool first = names.empty();
  std::vector<File> files;
  std::vector<int64_t> labels;
  for (const fs::path& folder : directories(directory)) {
    const std::string name = folder.filename().string();
    if (first) names.push_back(name);
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end())
      throw Error(fmt::format("{}: unknown class '{}': those of the training part are {}", folder.string(), name,
                              fmt::join(names, " ")));
    for (const fs::path& file : png_files(folder)) {
      files.push_back({file.string(), found - names.begin()});
      labels.push_back(files.back().label);
    }
  }
  if (files.empty()) throw Error(fmt::format("{}: no directory of .png files", directory.string()));
  const auto count = static_cast<int64_t>(labels.size());
  return {read_images(files), from_data(labels, {count}), names};
}

/// Grey images as grey RGB, where the other part has colour.
void widen(Samples& samples, int64_t channels) {
  if (samples.empty() || samples.inputs.dim(3) == channels) return;
  TensorSpec spec = samples.inputs.spec();
  const Array from = samples.inputs.value();
  spec.shape[3] = channels;
  const Array to(spec);
  uint8_t* out = to.data<uint8_t>();
  for (int64_t i = 0; i < from.spec().numel(); ++i) out = std::fill_n(out, channels, from.data<uint8_t>()[i]);
  samples.inputs = constant(to);
}

}  // namespace

bool has_image_folders(const std::string& directory) {
  const fs::path path = directory;
  return has_classes(path) || (directory_exists(path / "train") && has_classes(path / "train"));
}

Dataset load_image_folder(const std::string& directory) {
  const fs::path path = directory;
  Dataset data;
  data.source = directory;
  std::vector<std::string> names;
  const bool parts = directory_exists(path / "train") && !has_png(path / "train");
  data.train = read_part(parts ? path / "train" : path, names);
  if (parts && directory_exists(path / "test")) data.test = read_part(path / "test", names);
  if (!data.test.empty()) {
    const int64_t channels = std::max(data.train.inputs.dim(3), data.test.inputs.dim(3));
    widen(data.train, channels);
    widen(data.test, channels);
  }
  check(data);
  return data;
}

void write_image_folder(const std::string& directory, const Dataset& data) {
  for (const auto& [part, samples] : {std::pair{"train", &data.train}, {"test", &data.test}}) {
    if (samples->empty()) continue;
    const Shape shape = samples->sample_shape();
    if (samples->inputs.dtype() != u8 || shape.rank() != 3 || (shape[2] != 1 && shape[2] != 3))
      throw Error(fmt::format("{}: PNG images are u8 [N,H,W,1] or [N,H,W,3], the samples are {}", directory,
                              to_string(samples->inputs.spec())));
    std::vector<fs::path> places;
    const std::vector<int64_t> counts = count_per_class(*samples);
    for (const std::string& name : samples->class_names) {
      places.push_back(fs::path(directory) / part / name);
      if (counts[places.size() - 1] == 0) continue;  // a class without images is none to those who read
      std::error_code error;
      fs::create_directories(places.back(), error);
      if (error)
        throw Error(fmt::format("{}: the directory cannot be created: {}", places.back().string(), error.message()));
    }
    const Array pixels = samples->inputs.value().contiguous();
    const std::vector<int64_t> labels = label_values(*samples);
    const int64_t size = numel(shape);
    parallel_for(samples->size(), 16, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const uint8_t* first = pixels.data<uint8_t>() + i * size;
        const fs::path place = places[static_cast<size_t>(labels[static_cast<size_t>(i)])];
        write_png((place / fmt::format("{:06}.png", i)).string(),
                  {shape[0], shape[1], shape[2], std::vector<uint8_t>(first, first + size)});
      }
    });
  }
}

}  // namespace telaio::nn
