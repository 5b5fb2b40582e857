// Finding out what a place holds.
#include <telaio/nn/data/dataset.hpp>

#include <charconv>
#include <filesystem>

#include <fmt/format.h>

#include <telaio/nn/data/cifar.hpp>
#include <telaio/nn/data/csv.hpp>
#include <telaio/nn/data/digits.hpp>
#include <telaio/nn/data/idx.hpp>
#include <telaio/nn/data/image_folder.hpp>
#include <telaio/nn/io/file.hpp>

namespace telaio::nn {

namespace {

/// "digits", "digits:TRAIN" or "digits:TRAIN,TEST".
Dataset load_digits(const std::string& where) {
  DigitsOptions options;
  if (where.size() > 6) {
    const std::string_view counts = std::string_view(where).substr(7);
    const auto whole = [&](std::string_view text, int64_t& value) {
      const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
      if (error != std::errc() || stop != text.data() + text.size() || value > 100'000'000)
        throw Error(fmt::format("{}: expected digits:TRAIN or digits:TRAIN,TEST, how many images of each", where));
    };
    const size_t comma = counts.find(',');
    whole(counts.substr(0, comma), options.train);
    if (comma != std::string_view::npos) whole(counts.substr(comma + 1), options.test);
  }
  Dataset data = make_digits(options);
  data.source = where;
  return data;
}

}  // namespace

Dataset load_dataset(const std::string& where) {
  if (where == "digits" || where.starts_with("digits:")) return load_digits(where);
  if (!path_exists(where))
    throw Error(fmt::format("{}: no such file or directory (nor a built-in data set: digits)", where));

  if (directory_exists(where)) {
    if (has_idx_files(where)) return load_idx(where);
    if (has_cifar_files(where)) return load_cifar(where);
    if (has_image_folders(where)) return load_image_folder(where);
    throw Error(
        fmt::format("{}: holds no data set: expected IDX files (train-images-idx3-ubyte), CIFAR-10's "
                    "data_batch_*.bin, or a directory a class with .png files",
                    where));
  }
  const std::string name = std::filesystem::path(where).filename().string();
  if (name.ends_with(".csv") || name.ends_with(".csv.gz")) return load_csv(where);
  if (is_idx_images_name(name)) return load_idx_file(where);
  throw Error(
      fmt::format("{}: not a data set: expected a .csv file, an IDX file of images (…images-idx3-ubyte) or a "
                  "directory",
                  where));
}

}  // namespace telaio::nn
