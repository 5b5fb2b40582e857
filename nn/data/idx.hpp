// IDX files, the format of MNIST (http://yann.lecun.com/exdb/mnist/): two zero bytes, a type, the number of axes, their
// sizes as big-endian 32-bit numbers, then the elements, big-endian and row-major.
#pragma once

#include <string>
#include <string_view>

#include <telaio/nn/data/dataset.hpp>

namespace telaio::nn {

/// Reads a file, plain or gzip. Types: unsigned byte gives u8, signed byte, short and int i32, float f32, double f64.
/// Error "PATH: byte B: …" for a wrong magic number, impossible sizes, and a file shorter or longer than they say.
Tensor read_idx(const std::string& path);
/// The same from memory; `name` is for messages.
Tensor parse_idx(std::string_view bytes, const std::string& name);

/// Writes u8, i32, f32 or f64; packed when the name ends in .gz.
void write_idx(const std::string& path, const Tensor& tensor);

/// Whether the directory holds a file of training images by one of the names that load_idx knows.
bool has_idx_files(const std::string& directory);
/// The training and (where there is one) the test part of a directory.
Dataset load_idx(const std::string& directory);

/// Whether a file's name has the form of IDX images: `images` … `idx3`.
bool is_idx_images_name(const std::string& name);
/// One file of images and the labels beside it, as a training part.
Dataset load_idx_file(const std::string& images);

/// Writes train-images-idx3-ubyte, train-labels-idx1-ubyte and t10k-…; grey u8 images and at most 256 classes only. The
/// directory is created.
void write_idx_dataset(const std::string& directory, const Dataset& data);

}  // namespace telaio::nn
