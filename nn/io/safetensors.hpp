// Named tensors in one file, in the safetensors layout (https://huggingface.co/docs/safetensors), which many other
// programs read and write: the length N of the header (8 bytes, little-endian), N bytes of JSON, and the elements of
// the tensors, row-major and little-endian, one tensor behind the other. In the JSON each tensor has an entry
// "NAME": {"dtype": "F32", "shape": [2,3], "data_offsets": [begin,end]}, and "__metadata__" maps strings to strings.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <telaio/autograd/tensor.hpp>

namespace telaio::nn {

/// The content of a file.
struct SafeTensors {
  std::vector<std::pair<std::string, Tensor>> tensors;  ///< in the order of the header
  std::map<std::string, std::string> metadata;

  /// The tensor of that name, or null.
  const Tensor* find(std::string_view name) const;
};

/// Evaluates the tensors and writes the file, as write_file does: all of it or nothing. The header lists them in their
/// order. Their elements lie by decreasing size of an element (otherwise in the same order) from a multiple of 8 on, so
/// that a program that maps the file finds each tensor aligned. The same content gives the same bytes.
/// Error "PATH: …" for an undefined tensor, for a name that is taken twice, reserved or not UTF-8, and when the file
/// cannot be written.
void write_safetensors(const std::string& path, const SafeTensors& content);

/// Reads what write_safetensors or another program wrote: BOOL, U8, I32, I64, F32 and F64 with up to 8 axes. Each
/// tensor gets memory of its own. Nothing is taken on trust. Errors, on one line "PATH: …" with the place, what was
/// expected and what came: a file that is cut off or goes on behind the last tensor, a header that is no such JSON or
/// gives a name twice, another type, a shape that does not suit its bytes, tensors that overlap or leave a hole, a bool
/// that is neither 0 nor 1.
SafeTensors read_safetensors(const std::string& path);
/// The same from memory; `name` is for messages.
SafeTensors parse_safetensors(std::string_view bytes, const std::string& name);

}  // namespace telaio::nn
