#include <telaio/ops/joining.hpp>
#include <telaio/ops/samples/draw.hpp>

namespace telaio::samples {

namespace {

int front(int axis, int rank) { return axis < 0 ? axis + rank : axis; }

References joined(const References& parts, int axis) {
  axis = front(axis, parts[0].rank());
  Shape shape = parts[0].shape;
  for (size_t i = 1; i < parts.size(); ++i) shape[axis] += parts[i].size(axis);
  return {make(shape, [&](Dims index) {
    size_t part = 0;
    while (index[axis] >= parts[part].size(axis)) index[axis] -= parts[part++].size(axis);
    return parts[part].at(index);
  })};
}

References stacked(const References& parts, int axis) {
  References wider = parts;
  for (Reference& part : wider) part.shape.insert(front(axis, part.rank() + 1), 1);
  return joined(wider, axis);
}

std::vector<Sample> concat_samples(uint64_t seed) {
  Draw draw(seed);
  std::vector<Sample> all;
  const auto add = [&](const std::vector<Shape>& shapes, int axis) {
    std::vector<Tensor> parts;
    for (const Shape& shape : shapes) parts.push_back(draw.floats(shape));
    all.push_back(sample(
        parts, [=](const std::vector<Tensor>& x) { return std::vector<Tensor>{concat(x, axis)}; },
        [=](const References& x) { return joined(x, axis); }, "axis " + std::to_string(axis)));
  };
  add({{2, 3}, {2, 1}, {2, 2}}, 1);
  add({{2, 3}, {1, 3}}, 0);
  add({{2, 1, 2}, {2, 3, 2}}, -2);
  add({{3}}, 0);
  add({{2, 0}, {2, 3}}, 1);
  add({{0}, {0}}, 0);
  add({{300, 500}, {300, 701}}, 1);
  all.push_back(sample(
                    {draw.bools({2, 2}), draw.bools({1, 2})},
                    [](const std::vector<Tensor>& x) { return std::vector<Tensor>{concat(x, 0)}; },
                    [](const References& x) { return joined(x, 0); })
                    .without_derivative());
  return all;
}

std::vector<Sample> stack_samples(uint64_t seed) {
  Draw draw(seed);
  std::vector<Sample> all;
  const auto add = [&](const Shape& shape, int count, int axis) {
    std::vector<Tensor> parts;
    for (int i = 0; i < count; ++i) parts.push_back(draw.floats(shape));
    all.push_back(sample(
        parts, [=](const std::vector<Tensor>& x) { return std::vector<Tensor>{stack(x, axis)}; },
        [=](const References& x) { return stacked(x, axis); }, "axis " + std::to_string(axis)));
  };
  add({2, 3}, 2, 0);
  add({2, 3}, 3, -1);
  add({2, 3}, 2, 1);
  add({}, 3, 0);
  add({0, 2}, 2, 1);
  return all;
}

std::vector<Sample> pad_samples(uint64_t seed) {
  Draw draw(seed);
  std::vector<Sample> all;
  const auto add = [&](const Tensor& x, const std::vector<std::pair<int64_t, int64_t>>& borders, double value) {
    all.push_back(sample(
        x, [=](const Tensor& in) { return pad(in, borders, value); },
        [=](const Reference& in) {
          Shape shape = in.shape;
          for (int axis = 0; axis < in.rank(); ++axis) {
            const auto& [before, after] = borders[static_cast<size_t>(axis)];
            shape[axis] += before + after;
          }
          return make(shape, [&](Dims index) {
            for (int axis = 0; axis < in.rank(); ++axis) {
              index[axis] -= borders[static_cast<size_t>(axis)].first;
              if (index[axis] < 0 || index[axis] >= in.size(axis)) return value;
            }
            return in.at(index);
          });
        },
        "value " + std::to_string(value)));
  };
  add(draw.floats({2, 3}), {{1, 0}, {2, 1}}, 0);
  add(draw.floats({3}), {{2, 2}}, -1.5);
  add(draw.floats({2, 1, 2}), {{0, 0}, {1, 1}, {0, 1}}, 0);
  add(draw.floats({}), {}, 1);
  add(draw.floats({0, 2}), {{1, 1}, {0, 0}}, 0.5);
  add(draw.floats({701, 503}), {{3, 2}, {1, 5}}, 0.5);
  add(draw.integers({2, 2}, 0, 9, i32), {{1, 0}, {0, 1}}, 7);
  all.back().differentiable = false;
  return all;
}

}  // namespace

void add_joining(std::vector<OpRow>& table) {
  table.push_back({"concat",
                   concat_samples,
                   {{[] { concat({}, 0); }, ""},
                    {[] {
                       concat({ones({2, 3}), ones({3, 3})}, 1);
                     },
                     ""},
                    {[] {
                       concat({ones({2}), ones({2, 1})}, 0);
                     },
                     ""},
                    {[] {
                       concat({ones({2}), ones({2}, f64)}, 0);
                     },
                     ""},
                    {[] { concat({ones({2})}, 1); }, "out of range"},
                    {[] {
                       concat({ones({2}), Tensor()}, 0);
                     },
                     "undefined"}}});
  table.push_back({"stack",
                   stack_samples,
                   {{[] { stack({}, 0); }, ""},
                    {[] {
                       stack({ones({2}), ones({3})}, 0);
                     },
                     ""},
                    {[] {
                       stack({ones({2}), ones({2}, f64)}, 0);
                     },
                     ""},
                    {[] { stack({ones({2})}, 2); }, "out of range"},
                    {[] { stack({Tensor()}, 0); }, "undefined"}}});
  table.push_back({"pad",
                   pad_samples,
                   {{[] {
                       pad(ones({2, 3}), {{1, 1}});
                     },
                     "2"},
                    {[] {
                       pad(ones({2}), {{-1, 0}});
                     },
                     "-1"},
                    {[] {
                       pad(ones({2}), {{INT64_MAX, INT64_MAX}});
                     },
                     ""},
                    {[] { pad(Tensor(), {}); }, "undefined"}}});
}

}  // namespace telaio::samples
