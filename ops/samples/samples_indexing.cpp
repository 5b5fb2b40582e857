#include <telaio/ops/indexing.hpp>
#include <telaio/ops/samples/draw.hpp>

namespace telaio::samples {

namespace {

int64_t counted(double index, int64_t size) {
  const auto i = static_cast<int64_t>(index);
  return i < 0 ? i + size : i;
}

// The index of take's result, split into those of x and of the indices.
struct Taken {
  Dims x, indices;
};
Taken split(const Dims& index, int axis, int index_rank) {
  Taken parts;
  for (int i = 0; i < index.rank(); ++i) {
    if (i < axis || i >= axis + index_rank) parts.x.push_back(index[i]);
    else parts.indices.push_back(index[i]);
  }
  parts.x.insert(axis, 0);
  return parts;
}

Reference taken(const Reference& x, const Reference& indices, int axis) {
  Shape shape = x.shape;
  shape.erase(axis);
  for (int i = 0; i < indices.rank(); ++i) shape.insert(axis + i, indices.size(i));
  return make(shape, [&](const Dims& index) {
    Taken at = split(index, axis, indices.rank());
    at.x[axis] = counted(indices.at(at.indices), x.size(axis));
    return x.at(at.x);
  });
}

Reference index_added(const Reference& updates, const Reference& indices, int axis, int64_t size) {
  Shape shape;
  for (int i = 0; i < axis; ++i) shape.push_back(updates.size(i));
  shape.push_back(size);
  for (int i = axis + indices.rank(); i < updates.rank(); ++i) shape.push_back(updates.size(i));
  Reference y = make(shape, [](const Dims&) { return 0.0; });
  each_index(updates.shape, [&](const Dims& index) {
    Taken at = split(index, axis, indices.rank());
    at.x[axis] = counted(indices.at(at.indices), size);
    y.at(at.x) += updates.at(index);
  });
  return y;
}

Reference gathered(const Reference& x, const Reference& indices, int axis) {
  return make(indices.shape, [&](Dims index) {
    index[axis] = counted(indices.at(index), x.size(axis));
    return x.at(index);
  });
}

Reference scattered(const Reference& updates, const Reference& indices, int axis, int64_t size) {
  Shape shape = updates.shape;
  shape[axis] = size;
  Reference y = make(shape, [](const Dims&) { return 0.0; });
  each_index(updates.shape, [&](const Dims& index) {
    Dims to = index;
    to[axis] = counted(indices.at(index), size);
    y.at(to) += updates.at(index);
  });
  return y;
}

// Of f(x, indices, axis): x may be negative indices too.
template <class F, class R>
Sample indexed(const Tensor& x, const Tensor& indices, int axis, F f, R reference) {
  return sample(
      {x, indices}, [=](const std::vector<Tensor>& in) { return std::vector<Tensor>{f(in[0], in[1])}; },
      [=](const References& in) { return References{reference(in[0], in[1])}; }, "axis " + std::to_string(axis));
}

std::vector<Sample> take_samples(uint64_t seed) {
  Draw draw(seed);
  std::vector<Sample> all;
  const auto add = [&](const Shape& x, const Shape& indices, int axis, DType dtype = i64) {
    const int64_t size = x[axis];
    all.push_back(indexed(
        draw.floats(x), draw.integers(indices, -size, size - 1, dtype), axis,
        [=](const Tensor& a, const Tensor& i) { return take(a, i, axis); },
        [=](const Reference& a, const Reference& i) { return taken(a, i, axis); }));
  };
  add({4, 3}, {2, 5}, 0);
  add({2, 5}, {3}, 1, i32);
  add({2, 3, 2}, {2, 2}, 1);
  add({5}, {}, 0);
  add({4, 2}, {0}, 0);
  add({1, 3}, {4}, 0, i32);
  add({211, 97}, {3, 1501}, 0);
  return all;
}

std::vector<Sample> index_add_samples(uint64_t seed) {
  Draw draw(seed);
  std::vector<Sample> all;
  const auto add = [&](const Shape& updates, const Shape& indices, int axis, int64_t size, DType dtype = i64) {
    all.push_back(indexed(
        draw.floats(updates), draw.integers(indices, -size, size - 1, dtype), axis,
        [=](const Tensor& a, const Tensor& i) { return index_add(a, i, axis, size); },
        [=](const Reference& a, const Reference& i) { return index_added(a, i, axis, size); }));
  };
  add({2, 5, 3}, {2, 5}, 0, 4);
  add({2, 3}, {3}, 1, 5, i32);
  add({2, 2, 2, 2}, {2, 2}, 1, 3);
  add({}, {}, 0, 3);
  add({0, 2}, {0}, 0, 4);
  add({4003, 97}, {4003}, 0, 211);
  return all;
}

std::vector<Sample> gather_samples(uint64_t seed) {
  Draw draw(seed);
  std::vector<Sample> all;
  const auto add = [&](const Shape& x, int64_t count, int axis, DType dtype = i64) {
    Shape indices = x;
    indices[axis] = count;
    all.push_back(indexed(
        draw.floats(x), draw.integers(indices, -x[axis], x[axis] - 1, dtype), axis,
        [=](const Tensor& a, const Tensor& i) { return gather(a, i, axis); },
        [=](const Reference& a, const Reference& i) { return gathered(a, i, axis); }));
  };
  add({3, 4}, 2, 1);
  add({3, 4}, 5, 0, i32);
  add({2, 3, 2}, 2, 1);
  add({5}, 1, 0);
  add({3, 4}, 0, 1);
  add({0, 4}, 2, 1);
  add({601, 499}, 701, 1);
  return all;
}

std::vector<Sample> scatter_add_samples(uint64_t seed) {
  Draw draw(seed);
  std::vector<Sample> all;
  const auto add = [&](const Shape& updates, int axis, int64_t size, DType dtype = i64) {
    all.push_back(indexed(
        draw.floats(updates), draw.integers(updates, -size, size - 1, dtype), axis,
        [=](const Tensor& a, const Tensor& i) { return scatter_add(a, i, axis, size); },
        [=](const Reference& a, const Reference& i) { return scattered(a, i, axis, size); }));
  };
  add({3, 4}, 1, 3);
  add({3, 4}, 0, 2, i32);
  add({2, 3, 2}, 1, 5);
  add({5}, 0, 1);
  add({3, 0}, 1, 4);
  add({601, 701}, 1, 499);
  return all;
}

std::vector<Sample> one_hot_samples(uint64_t seed) {
  Draw draw(seed);
  std::vector<Sample> all;
  const auto add = [&](const Shape& shape, int64_t classes, DType indices, DType dtype) {
    all.push_back(sample(
                      draw.integers(shape, 0, classes - 1, indices),
                      [=](const Tensor& x) { return one_hot(x, classes, dtype); },
                      [=](const Reference& x) {
                        Shape wide = x.shape;
                        wide.push_back(classes);
                        return make(wide, [&](Dims index) -> double {
                          const int64_t last = index.back();
                          index.erase(index.rank() - 1);
                          return static_cast<int64_t>(x.at(index)) == last;
                        });
                      },
                      std::to_string(classes) + " classes, " + std::string(name_of(dtype)))
                      .without_derivative()
                      .of_fixed_dtype());
  };
  add({5}, 3, i64, f32);
  add({2, 3}, 4, i32, f64);
  add({}, 2, i64, i32);
  add({0}, 2, i64, f32);
  add({3, 1}, 1, i64, boolean);
  add({30'011}, 10, i64, f32);
  return all;
}

Tensor indices(std::vector<int64_t> values) {
  const auto count = static_cast<int64_t>(values.size());
  return from_data(values, {count});
}

}  // namespace

void add_indexing(std::vector<OpRow>& table) {
  // An index out of range is known when the op runs.
  table.push_back({"take",
                   take_samples,
                   {{[] {
                       take(ones({3, 2}), indices({0, 3})).eval();
                     },
                     "3"},
                    {[] {
                       take(ones({3, 2}), indices({-4})).eval();
                     },
                     "-4"},
                    {[] {
                       take(ones({3, 2}), ones({2}));
                     },
                     "i64"},
                    {[] {
                       take(ones({3, 2}), indices({0}), 2);
                     },
                     "out of range"},
                    {[] { take(Tensor(), indices({0})); }, "undefined"}}});
  table.push_back({"gather",
                   gather_samples,
                   {{[] { gather(ones({3}), indices({3}), 0).eval(); }, "3"},
                    {[] {
                       gather(ones({3, 2}), indices({0}), 0);
                     },
                     ""},
                    {[] { gather(ones({3}), ones({3}), 0); }, "i64"},
                    {[] { gather(ones({3}), indices({0}), 1); }, "out of range"},
                    {[] { gather(Tensor(), indices({0}), 0); }, "undefined"}}});
  table.push_back({"index_add",
                   index_add_samples,
                   {{[] {
                       index_add(ones({2}), indices({0, 3}), 0, 3).eval();
                     },
                     "3"},
                    {[] {
                       index_add(ones({2}), indices({0, 1, 1}), 0, 3);
                     },
                     ""},
                    {[] {
                       index_add(ones({2}), indices({0, 1}), 0, -1);
                     },
                     "-1"},
                    {[] { index_add(Tensor(), indices({0}), 0, 3); }, "undefined"}}});
  table.push_back({"scatter_add",
                   scatter_add_samples,
                   {{[] {
                       scatter_add(ones({2}), indices({0, -4}), 0, 3).eval();
                     },
                     "-4"},
                    {[] { scatter_add(ones({2}), indices({0}), 0, 3); }, ""},
                    {[] { scatter_add(ones({1}), indices({0}), 0, -2); }, "-2"},
                    {[] { scatter_add(Tensor(), indices({0}), 0, 3); }, "undefined"}}});
  table.push_back({"one_hot",
                   one_hot_samples,
                   {{[] {
                       one_hot(indices({0, 5}), 5).eval();
                     },
                     "5"},
                    {[] { one_hot(ones({2}), 5); }, "i64"},
                    {[] { one_hot(indices({0}), -1); }, "-1"},
                    {[] { one_hot(Tensor(), 5); }, "undefined"}}});
}

}  // namespace telaio::samples
