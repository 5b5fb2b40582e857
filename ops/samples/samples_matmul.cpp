#include <telaio/ops/matmul.hpp>
#include <telaio/ops/samples/draw.hpp>

namespace telaio::samples {

namespace {

Reference product(Reference a, Reference b) {
  const bool row = a.rank() == 1, column = b.rank() == 1;
  if (row) a.shape.insert(0, 1);
  if (column) b.shape.insert(1, 1);
  const int64_t m = a.size(a.rank() - 2), k = a.shape.back(), n = b.shape.back();
  const auto batch = [](Shape shape) {
    shape.erase(shape.rank() - 1);
    shape.erase(shape.rank() - 1);
    return shape;
  };
  Shape shape = *broadcast(batch(a.shape), batch(b.shape));
  shape.push_back(m);
  shape.push_back(n);
  // At an index of the batch only: the last two axes are chosen by hand.
  const auto element = [](const Reference& x, Dims index, int64_t i, int64_t j) {
    const int axes = x.rank();
    while (index.rank() > axes) index.erase(0);
    for (int axis = 0; axis < axes - 2; ++axis)
      if (x.size(axis) == 1) index[axis] = 0;
    index[axes - 2] = i;
    index[axes - 1] = j;
    return x.at(index);
  };
  Reference y = make(shape, [&](const Dims& index) {
    const int64_t i = index[index.rank() - 2], j = index.back();
    double sum = 0;
    for (int64_t p = 0; p < k; ++p) sum += element(a, index, i, p) * element(b, index, p, j);
    return sum;
  });
  if (column) y.shape.erase(y.rank() - 1);
  if (row) y.shape.erase(y.rank() - (column ? 1 : 2));
  return y;
}

std::vector<Sample> samples(uint64_t seed) {
  Draw draw(seed);
  std::vector<Sample> all;
  const auto add = [&](const Shape& a, const Shape& b) {
    all.push_back(sample(
        {draw.floats(a, {-1, 1}), draw.floats(b, {-1, 1})},
        [](const std::vector<Tensor>& x) { return std::vector<Tensor>{matmul(x[0], x[1])}; },
        [](const References& x) { return References{product(x[0], x[1])}; }));
  };
  add({3, 4}, {4, 2});
  add({2, 3, 5}, {2, 5, 2});
  add({7, 1}, {1, 3});
  add({1, 11}, {11, 1});
  add({5}, {5});
  add({2, 3}, {3});
  add({3}, {3, 2});
  add({4}, {2, 4, 3});
  add({2, 3, 4}, {4});
  add({2, 1, 2, 3}, {3, 3, 2});
  add({3, 2}, {2, 2, 1});
  add({0, 3}, {3, 2});
  add({2, 0}, {0, 3});
  add({2, 3}, {3, 0});
  add({0, 2, 3}, {3, 2});
  add({13, 17}, {17, 5});
  add({127, 131}, {131, 137});
  add({5, 67, 43}, {5, 43, 71});
  return all;
}

}  // namespace

void add_matmul(std::vector<OpRow>& table) {
  table.push_back({"matmul",
                   samples,
                   {{[] {
                       matmul(ones({2, 3}), ones({2, 3}));
                     },
                     "3"},
                    {[] { matmul(ones({3}), ones({2})); }, "3"},
                    {[] {
                       matmul(ones({2, 2, 3}), ones({3, 3, 2}));
                     },
                     "broadcast"},
                    {[] { matmul(ones({}), ones({2})); }, ""},
                    {[] {
                       matmul(ones({2, 2}, i32), ones({2, 2}, i32));
                     },
                     "only f32 and f64"},
                    {[] {
                       matmul(ones({2, 2}), Tensor());
                     },
                     "undefined"}}});
}

}  // namespace telaio::samples
