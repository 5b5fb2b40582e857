// Labelled samples, and where they come from.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <telaio/autograd/tensor.hpp>

namespace telaio::nn {

/// N samples with their classes. Images are channels-last.
struct Samples {
  Tensor inputs;                         ///< u8 or f32 [N, …]; images u8 [N,H,W,C], or f32 with values in 0…1
  Tensor labels;                         ///< i64 [N], each in 0 … classes()−1
  std::vector<std::string> class_names;  ///< one a class; numbers where the source has no names

  int64_t size() const { return inputs.defined() ? inputs.dim(0) : 0; }
  bool empty() const { return size() == 0; }
  int64_t classes() const { return static_cast<int64_t>(class_names.size()); }
  /// The shape of one sample.
  Shape sample_shape() const;
};

/// The parts have the same classes and sample shapes. `test` may be empty.
struct Dataset {
  Samples train;
  Samples test;
  std::string source;  ///< for people: the path or the name that it was loaded by
};

/// Loads
///   "digits"                  the built-in data set (digits.hpp); "digits:6000,1000" has fewer or more images,
///   a directory of IDX files  train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-… (or test-…), plain or .gz, also
///                             with '.' for '-': MNIST and Fashion-MNIST as they are published (idx.hpp),
///   a directory of CIFAR-10's binary files (cifar.hpp),
///   a directory of images     CLASS/*.png, or train/CLASS/*.png and test/CLASS/*.png (image_folder.hpp),
///   a .csv or .csv.gz file    (csv.hpp),
///   an IDX file of images     whose labels lie beside it: `labels` and `idx1` for `images` and `idx3` in the name.
/// Errors name the file, the place in it, what was expected and what came.
Dataset load_dataset(const std::string& where);

/// What a loader ends with, and what data from elsewhere should be asked: Error, in the name of `source`, unless there
/// is at least one sample, inputs (u8 or finite f32) and labels agree in number, and every label has a class.
void check(const Samples& samples, std::string_view source);
/// check() of both parts (of `test` where it is not empty), and that they agree in classes and shape.
void check(const Dataset& data);

/// The samples of the given rows, in that order; a row may be taken several times. Error when one is out of range.
Samples take(const Samples& samples, std::span<const int64_t> rows);
/// Rows first … first+count−1.
Samples take(const Samples& samples, int64_t first, int64_t count);

/// Training and validation part: the first floor(N·(1−fraction)) samples, computed in double, and the rest (Keras's
/// validation_split). Error when the fraction is not in (0,1) or either part would be empty.
std::pair<Samples, Samples> split_tail(const Samples& samples, double fraction);

/// The labels as numbers, whatever strides they have.
std::vector<int64_t> label_values(const Samples& samples);
std::vector<int64_t> count_per_class(const Samples& samples);

/// N / (C·n_c): the classes weigh the same in total. A class without samples gets 1.
std::vector<double> balanced_weights(std::span<const int64_t> counts);

/// "0" … "classes−1".
std::vector<std::string> numbered_classes(int64_t classes);

/// The position of a class, by name or (where no name is so) by number. Error that lists the classes.
int64_t class_index(std::span<const std::string> class_names, std::string_view name);

}  // namespace telaio::nn
