#include <telaio/autograd/array.hpp>

#include <new>

#include <fmt/format.h>

#include <telaio/autograd/runtime/strided.hpp>

namespace telaio {

std::string to_string(const TensorSpec& spec) {
  return fmt::format("{}{}", name_of(spec.dtype), to_string(spec.shape));
}

Storage::Storage(size_t bytes)
    : data_(static_cast<std::byte*>(::operator new(bytes, std::align_val_t(alignment)))), bytes_(bytes) {}

Storage::~Storage() { ::operator delete(data_, std::align_val_t(alignment)); }

Array::Array(const TensorSpec& spec)
    : spec_(spec), strides_(contiguous_strides(spec.shape)), storage_(new Storage(static_cast<size_t>(spec.bytes()))) {}

Array Array::contiguous() const {
  if (is_contiguous()) return *this;
  Array copy(spec_);
  copy_strided(static_cast<int>(size_of(spec_.dtype)), spec_.shape.rank(), spec_.shape.data(), strides_.data(), bytes(),
               copy.bytes());
  return copy;
}

}  // namespace telaio
