#include <telaio/ops/samples/reference.hpp>

namespace telaio::samples {

size_t Reference::offset(const Dims& index) const {
  int64_t flat = 0;
  for (int axis = 0; axis < shape.rank(); ++axis) flat = flat * shape[axis] + index[axis];
  return static_cast<size_t>(flat);
}

double Reference::broadcast_at(const Dims& index) const {
  int64_t flat = 0;
  const int skipped = index.rank() - shape.rank();
  for (int axis = 0; axis < shape.rank(); ++axis)
    flat = flat * shape[axis] + (shape[axis] == 1 ? 0 : index[axis + skipped]);
  return data[static_cast<size_t>(flat)];
}

double total(const std::vector<double>& values) {
  long double sum = 0;
  for (const double value : values) sum += value;
  return static_cast<double>(sum);
}

}  // namespace telaio::samples
