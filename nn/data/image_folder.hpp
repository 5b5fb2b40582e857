// A directory of images: one directory a class.
#pragma once

#include <string>

#include <telaio/nn/data/dataset.hpp>

namespace telaio::nn {

/// Whether the directory, or its train/, holds a directory with .png files.
bool has_image_folders(const std::string& directory);

/// DIR/CLASS/*.png, or DIR/train/CLASS/*.png and (where it is there) DIR/test/CLASS/*.png. Classes and images are in
/// alphabetical order. All images have one size; where some have colour, the grey ones become grey RGB. Files of other
/// kinds are passed over, but images that are not PNG are an error, and so is a class without images, a class of the
/// test part that the training part does not have, and a damaged file.
Dataset load_image_folder(const std::string& directory);

/// Writes DIR/train/CLASS/000001.png and so on, and DIR/test/… where there is a test part; u8 images of one or three
/// channels only. The number is the sample's, from 0. Directories are created; files that are there already stay.
void write_image_folder(const std::string& directory, const Dataset& data);

}  // namespace telaio::nn
