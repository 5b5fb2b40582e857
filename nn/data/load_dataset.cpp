// Finding out what a place holds.
#include <telaio/nn/data/dataset.hpp>

#include <filesystem>

#include <fmt/format.h>

#include <telaio/nn/data/cifar.hpp>
#include <telaio/nn/data/csv.hpp>
#include <telaio/nn/data/digits.hpp>
#include <telaio/nn/data/idx.hpp>
#include <telaio/nn/data/image_folder.hpp>
#include <telaio/nn/io/file.hpp>

namespace telaio::nn {

Dataset load_dataset(const std::string& where) {
  if (where == "digits") return make_digits();
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
