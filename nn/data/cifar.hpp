// CIFAR-10's binary version (https://www.cs.toronto.edu/~kriz/cifar.html): records of 3073 bytes, a label and the red,
// green and blue planes of a 32×32 image.
#pragma once

#include <string>

#include <telaio/nn/data/dataset.hpp>

namespace telaio::nn {

bool has_cifar_files(const std::string& directory);

/// data_batch_*.bin (as many as there are, by number), test_batch.bin where it is there, and the class names from
/// batches.meta.txt, or the published ones. Images come as u8 [N,32,32,3]. Error "PATH: byte B: …" when a file does not
/// hold whole records or a label is out of range.
Dataset load_cifar(const std::string& directory);

}  // namespace telaio::nn
