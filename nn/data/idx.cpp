#include <telaio/nn/data/idx.hpp>

#include <fnmatch.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <optional>
#include <span>
#include <type_traits>

#include <fmt/format.h>
#include <boost/endian/conversion.hpp>

#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/nn/io/file.hpp>
#include <telaio/nn/io/gzip.hpp>

namespace telaio::nn {

namespace fs = std::filesystem;

namespace {

/// The third byte of the magic number.
enum class IdxType : uint8_t { u8 = 0x08, i8 = 0x09, i16 = 0x0B, i32 = 0x0C, f32 = 0x0D, f64 = 0x0E };

std::optional<int64_t> element_size(uint8_t type) {
  switch (static_cast<IdxType>(type)) {
    case IdxType::u8:
    case IdxType::i8:
      return 1;
    case IdxType::i16:
      return 2;
    case IdxType::i32:
    case IdxType::f32:
      return 4;
    case IdxType::f64:
      return 8;
  }
  return {};
}

/// Elements of type Stored, big-endian, as elements of type T.
template <class Stored, class T>
Tensor convert(const char* from, const Shape& shape) {
  const Array to(TensorSpec{dtype_of<T>, shape});
  const auto* first = reinterpret_cast<const unsigned char*>(from);
  T* out = to.data<T>();
  parallel_for(numel(shape), 1 << 18, [&](int64_t begin, int64_t end) {
    if constexpr (sizeof(Stored) == 1 && std::is_same_v<Stored, T>) {
      std::memcpy(out + begin, first + begin, static_cast<size_t>(end - begin));
    } else {
      for (int64_t i = begin; i < end; ++i)
        out[i] = static_cast<T>(boost::endian::endian_load<Stored, sizeof(Stored), boost::endian::order::big>(
            first + i * static_cast<int64_t>(sizeof(Stored))));
    }
  });
  return constant(to);
}

}  // namespace

Tensor parse_idx(std::string_view bytes, const std::string& name) {
  const auto bad = [&](size_t place, const std::string& problem) {
    throw Error(fmt::format("{}: byte {}: {}", name, place, problem));
  };
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  if (bytes.size() < 4) bad(bytes.size(), "the file ends, expected the 4 bytes of an IDX magic number");
  const auto size = element_size(data[2]);
  if (data[0] != 0 || data[1] != 0 || !size || data[3] < 1 || data[3] > max_rank)
    bad(0, fmt::format("wrong magic number {:02x}{:02x}{:02x}{:02x}, expected an IDX file: 0000, a type (08, 09, 0b … "
                       "0e), 1 to {} axes",
                       data[0], data[1], data[2], data[3], max_rank));

  const size_t rank = data[3], header = 4 + 4 * rank;
  if (bytes.size() < header)
    bad(bytes.size(), fmt::format("the file ends, expected the sizes of {} axes up to byte {}", rank, header));
  Shape shape;
  for (size_t axis = 0; axis < rank; ++axis) shape.push_back(boost::endian::load_big_u32(data + 4 + 4 * axis));
  // Against the bytes that are there, so that a damaged header never asks for memory.
  const auto held = static_cast<int64_t>(bytes.size() - header);
  int64_t expected = *size;
  for (const int64_t dim : shape)
    if (__builtin_mul_overflow(expected, dim, &expected)) bad(4, fmt::format("impossible sizes {}", to_string(shape)));
  if (held < expected)
    bad(bytes.size(), fmt::format("the file ends, expected {} bytes for the {} elements of sizes {}",
                                  static_cast<int64_t>(header) + expected, numel(shape), to_string(shape)));
  if (held > expected)
    bad(header + static_cast<size_t>(expected),
        fmt::format("{} bytes too many for {} elements of sizes {}", held - expected, numel(shape), to_string(shape)));

  const char* elements = bytes.data() + header;
  switch (static_cast<IdxType>(data[2])) {
    case IdxType::u8:
      return convert<uint8_t, uint8_t>(elements, shape);
    case IdxType::i8:
      return convert<int8_t, int32_t>(elements, shape);
    case IdxType::i16:
      return convert<int16_t, int32_t>(elements, shape);
    case IdxType::i32:
      return convert<int32_t, int32_t>(elements, shape);
    case IdxType::f32:
      return convert<float, float>(elements, shape);
    case IdxType::f64:
      break;
  }
  return convert<double, double>(elements, shape);
}

Tensor read_idx(const std::string& path) { return parse_idx(read_file_unpacked(path), path); }

void write_idx(const std::string& path, const Tensor& tensor) {
  const TensorSpec& spec = tensor.spec();
  const auto type = spec.dtype == u8    ? IdxType::u8
                    : spec.dtype == i32 ? IdxType::i32
                    : spec.dtype == f32 ? IdxType::f32
                                        : IdxType::f64;
  if (spec.dtype == boolean || spec.dtype == i64 || spec.shape.rank() == 0 ||
      std::any_of(spec.shape.begin(), spec.shape.end(), [](int64_t dim) { return dim > 0xFFFFFFFF; }))
    throw Error(fmt::format("{}: IDX holds u8, i32, f32 or f64 with at least one axis, not {}", path, to_string(spec)));

  const auto rank = static_cast<size_t>(spec.shape.rank());
  std::string bytes(4 + 4 * rank + static_cast<size_t>(spec.bytes()), '\0');
  auto* out = reinterpret_cast<unsigned char*>(bytes.data());
  out[2] = static_cast<unsigned char>(type);
  out[3] = static_cast<unsigned char>(rank);
  for (size_t axis = 0; axis < rank; ++axis)
    boost::endian::store_big_u32(out + 4 + 4 * axis, static_cast<uint32_t>(spec.shape[static_cast<int>(axis)]));
  out += 4 + 4 * rank;
  const Array array = tensor.value().contiguous();
  with_dtype(spec.dtype, [&]<class T>() {
    if constexpr (sizeof(T) == 1) {
      std::memcpy(out, array.bytes(), static_cast<size_t>(spec.bytes()));
    } else {
      for (int64_t i = 0; i < spec.numel(); ++i)
        boost::endian::endian_store<T, sizeof(T), boost::endian::order::big>(out + i * static_cast<int64_t>(sizeof(T)),
                                                                             array.data<T>()[i]);
    }
  });
  write_file(path, path.ends_with(".gz") ? gzip(bytes) : bytes);
}

namespace {

bool matches(const std::string& name, const std::string& pattern) {
  return fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
}

using Names = std::span<const std::string_view>;

/// The file of a part ("images" or "labels") whose name begins with one of `sets`; "" when there is none. An unpacked
/// file goes before a packed one.
std::string find_part(const std::string& directory, Names sets, std::string_view part) {
  const auto is_part = [&](const std::string& name) {
    return std::any_of(sets.begin(), sets.end(), [&](std::string_view set) {
      const std::string pattern = fmt::format("{}[-_.]{}[-.]idx[0-9][-.]ubyte", set, part);
      return matches(name, pattern) || matches(name, pattern + ".gz");
    });
  };
  std::string found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    const std::string name = entry.path().filename().string();
    if (!is_part(name)) continue;
    if (found.empty() || name.size() < found.size() || (name.size() == found.size() && name < found)) found = name;
  }
  return found.empty() ? found : (fs::path(directory) / found).string();
}

constexpr std::array<std::string_view, 1> training{"train"};
constexpr std::array<std::string_view, 2> testing{"t10k", "test"};

Samples read_pair(const std::string& images, const std::string& labels) {
  Tensor inputs = read_idx(images);
  const Tensor classes = read_idx(labels);
  if (inputs.dtype() != u8 || inputs.rank() < 3 || inputs.rank() > 4)
    throw Error(fmt::format("{}: byte 0: expected images, unsigned bytes [N,H,W] or [N,H,W,C], found {}", images,
                            to_string(inputs.spec())));
  if (classes.dtype() != u8 || classes.rank() != 1)
    throw Error(
        fmt::format("{}: byte 0: expected labels, unsigned bytes [N], found {}", labels, to_string(classes.spec())));
  if (inputs.dim(0) != classes.dim(0))
    throw Error(
        fmt::format("{}: byte 4: {} labels, but {} has {} images", labels, classes.dim(0), images, inputs.dim(0)));
  if (inputs.numel() == 0)
    throw Error(fmt::format("{}: byte 4: no images: sizes {}", images, to_string(inputs.shape())));
  if (inputs.rank() == 3) {
    Shape shape = inputs.shape();
    shape.push_back(1);
    const Array array = inputs.value();
    inputs = constant(Array({u8, shape}, array.storage(), contiguous_strides(shape), array.offset()));
  }
  const std::vector<int64_t> values = classes.to_vector<int64_t>();
  return {inputs, from_data(values, {classes.dim(0)}),
          numbered_classes(*std::max_element(values.begin(), values.end()) + 1)};
}

}  // namespace

bool has_idx_files(const std::string& directory) { return !find_part(directory, training, "images").empty(); }

Dataset load_idx(const std::string& directory) {
  const auto labels_of = [&](const std::string& images, Names sets) {
    const std::string labels = find_part(directory, sets, "labels");
    if (labels.empty())
      throw Error(fmt::format("{}: the labels are missing: expected a file like {}-labels-idx1-ubyte beside {}",
                              directory, sets[0], fs::path(images).filename().string()));
    return labels;
  };
  Dataset data;
  data.source = directory;
  const std::string images = find_part(directory, training, "images");
  if (images.empty()) throw Error(fmt::format("{}: no training images (train-images-idx3-ubyte)", directory));
  data.train = read_pair(images, labels_of(images, training));

  const std::string test_images = find_part(directory, testing, "images");
  if (!test_images.empty()) {
    const std::string test_labels = labels_of(test_images, testing);
    data.test = read_pair(test_images, test_labels);
    const std::vector<int64_t> labels = label_values(data.test);
    for (size_t i = 0; i < labels.size(); ++i)
      if (labels[i] >= data.train.classes())
        throw Error(fmt::format("{}: byte {}: label {} is out of range, the training data have 0 … {}", test_labels,
                                8 + i, labels[i], data.train.classes() - 1));
    data.test.class_names = data.train.class_names;
    if (!(data.test.sample_shape() == data.train.sample_shape()))
      throw Error(fmt::format("{}: byte 8: the images have sizes {}, those of {} {}", test_images,
                              to_string(data.test.sample_shape()), images, to_string(data.train.sample_shape())));
  }
  check(data);
  return data;
}

bool is_idx_images_name(const std::string& name) { return matches(name, "*images*idx[0-9]*"); }

Dataset load_idx_file(const std::string& images) {
  const fs::path path = images;
  std::string name = path.filename().string();
  if (!is_idx_images_name(name)) throw Error(fmt::format("{}: expected a name like …images-idx3-ubyte", images));
  name.replace(name.rfind("images"), 6, "labels");
  name[name.rfind("idx") + 3] = '1';
  std::string labels = (path.parent_path() / name).string();
  if (!path_exists(labels)) {
    const std::string other = name.ends_with(".gz") ? name.substr(0, name.size() - 3) : name + ".gz";
    const std::string beside = (path.parent_path() / other).string();
    if (!path_exists(beside))
      throw Error(fmt::format("{}: the labels are missing: expected {} beside it", images, name));
    labels = beside;
  }
  Dataset data{read_pair(images, labels), {}, images};
  check(data);
  return data;
}

void write_idx_dataset(const std::string& directory, const Dataset& data) {
  check(data);
  const auto write = [&](const Samples& samples, const std::string& part) {
    const TensorSpec& spec = samples.inputs.spec();
    if (spec.dtype != u8 || spec.shape.rank() != 4 || spec.shape[3] != 1 || samples.classes() > 256)
      throw Error(fmt::format("{}: IDX files take grey images u8[N,H,W,1] of at most 256 classes, not {} of {}",
                              directory, to_string(spec), samples.classes()));
    const Array array = samples.inputs.value().contiguous();
    const Shape shape{spec.shape[0], spec.shape[1], spec.shape[2]};
    const auto path = fs::path(directory) / part;
    write_idx(path.string() + "-images-idx3-ubyte",
              constant(Array({u8, shape}, array.storage(), contiguous_strides(shape), array.offset())));
    write_idx(path.string() + "-labels-idx1-ubyte",
              from_data(samples.labels.to_vector<uint8_t>(), samples.labels.shape()));
  };
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) throw Error(fmt::format("{}: the directory cannot be created: {}", directory, error.message()));
  write(data.train, "train");
  if (!data.test.empty()) write(data.test, "t10k");
}

}  // namespace telaio::nn
