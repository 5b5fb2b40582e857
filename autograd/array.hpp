// Values: memory, and strided views of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <utility>

#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>

#include <telaio/autograd/dtype.hpp>
#include <telaio/autograd/shape.hpp>

namespace telaio {

/// Shape and element type.
struct TensorSpec {
  DType dtype = f32;
  Shape shape;

  int64_t numel() const { return telaio::numel(shape); }
  int64_t bytes() const { return numel() * static_cast<int64_t>(size_of(dtype)); }
  friend bool operator==(const TensorSpec& a, const TensorSpec& b) = default;
};

/// "f32[128,28,28,1]".
std::string to_string(const TensorSpec& spec);

/// A block of memory, aligned to a cache line.
class Storage : public boost::intrusive_ref_counter<Storage> {
 public:
  static constexpr size_t alignment = 64;
  enum class Use : uint8_t {
    whole,   ///< all of it is about to be written; the first such ones of a process share a huge page, if there is one
    partly,  ///< perhaps not all: its pages are taken as they are touched, but for those of expect_writes
  };
  explicit Storage(size_t bytes, Use use = Use::whole);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  std::byte* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  /// Bytes [begin, end) are about to be written: asks for their pages all at once. Touched one by one, each costs a
  /// trap of its own, which takes longer than all that is done to it. Fewer bytes than worth_asking are left alone.
  void expect_writes(size_t begin, size_t end) const;
  /// The same for several stretches, in order and apart. Where they fill most of a huge page, that is asked for: one
  /// trap instead of hundreds, of which a virtual machine takes some again for pages that are there.
  using Stretch = std::pair<size_t, size_t>;
  void expect_writes(std::span<const Stretch> stretches) const;
  static constexpr size_t worth_asking = 32 << 10;

 private:
  std::byte* data_ = nullptr;
  size_t bytes_;
  std::align_val_t aligned_;  // 0: not to be given back
};
using StoragePtr = boost::intrusive_ptr<Storage>;

/// A strided view into a storage. Copying one copies the handle, never the elements.
class Array {
 public:
  Array() = default;
  /// Contiguous and uninitialised.
  explicit Array(const TensorSpec& spec);
  Array(const TensorSpec& spec, StoragePtr storage, const Strides& strides, int64_t offset)
      : spec_(spec), strides_(strides), offset_(offset), storage_(std::move(storage)) {}

  bool defined() const { return storage_ != nullptr; }
  const TensorSpec& spec() const { return spec_; }
  DType dtype() const { return spec_.dtype; }
  const Shape& shape() const { return spec_.shape; }
  const Strides& strides() const { return strides_; }
  /// Of the first element, in elements.
  int64_t offset() const { return offset_; }
  const StoragePtr& storage() const { return storage_; }
  bool is_contiguous() const { return telaio::is_contiguous(spec_.shape, strides_); }
  /// Itself where it is contiguous, else a contiguous copy.
  Array contiguous() const;

  std::byte* bytes() const { return storage_->data() + offset_ * static_cast<int64_t>(size_of(spec_.dtype)); }
  template <class T>
  T* data() const {
    return reinterpret_cast<T*>(bytes());
  }

 private:
  TensorSpec spec_;
  Strides strides_;
  int64_t offset_ = 0;
  StoragePtr storage_;
};

}  // namespace telaio
