#include <numeric>

#include <fmt/format.h>

#include <telaio/ops/samples/draw.hpp>
#include <telaio/ops/views.hpp>

namespace telaio::samples {

namespace {

// A row of samples of functions of one tensor, drawn anew for each seed.
struct Case {
  Shape shape;
  std::function<Tensor(const Tensor&)> f;
  std::function<Reference(const Reference&)> reference;
  std::string label;
};

OpRow row(const std::string& name, std::vector<Case> cases, std::vector<WrongInput> wrong) {
  const auto samples = [cases = std::move(cases)](uint64_t seed) {
    Draw draw(seed);
    std::vector<Sample> all;
    for (const Case& one : cases) all.push_back(sample(draw.floats(one.shape), one.f, one.reference, one.label));
    // Views carry every type.
    if (!cases.empty()) {
      const Case& one = cases[0];
      for (const DType dtype : {boolean, u8, i32, i64}) {
        all.push_back(
            sample(draw.integers(one.shape, 0, 1, dtype), one.f, one.reference, one.label).without_derivative());
      }
    }
    return all;
  };
  return {name, samples, std::move(wrong)};
}

Case reshaped(const Shape& from, const Shape& asked, const Shape& to) {
  return {from, [=](const Tensor& x) { return reshape(x, asked); },
          [=](const Reference& x) {
            return Reference{to, x.data};
          },
          "to " + to_string(asked)};
}

Case flattened(const Shape& from, int axis, const Shape& to) {
  return {from, [=](const Tensor& x) { return flatten(x, axis); },
          [=](const Reference& x) {
            return Reference{to, x.data};
          },
          "from " + std::to_string(axis)};
}

Reference permuted(const Reference& x, const std::vector<int>& order) {
  Shape shape;
  for (const int axis : order) shape.push_back(x.size(axis));
  return make(shape, [&](const Dims& index) {
    Dims from = index;
    for (size_t i = 0; i < order.size(); ++i) from[order[i]] = index[static_cast<int>(i)];
    return x.at(from);
  });
}

std::string list(const std::vector<int>& numbers) { return fmt::format("[{}]", fmt::join(numbers, ",")); }

Case permute_case(const Shape& shape, const std::vector<int>& order) {
  return {shape, [=](const Tensor& x) { return permute(x, order); },
          [=](const Reference& x) { return permuted(x, order); }, list(order)};
}

Case transpose_case(const Shape& shape, int a, int b) {
  return {shape, [=](const Tensor& x) { return transpose(x, a, b); },
          [=](const Reference& x) {
            std::vector<int> order(static_cast<size_t>(x.rank()));
            std::iota(order.begin(), order.end(), 0);
            std::swap(order[static_cast<size_t>((a + x.rank()) % x.rank())],
                      order[static_cast<size_t>((b + x.rank()) % x.rank())]);
            return permuted(x, order);
          },
          list({a, b})};
}

Case broadcast_case(const Shape& from, const Shape& to) {
  return {from, [=](const Tensor& x) { return broadcast_to(x, to); },
          [=](const Reference& x) { return make(to, [&](const Dims& i) { return x.broadcast_at(i); }); },
          "to " + to_string(to)};
}

Case expand_case(const Shape& from, const Shape& asked, const Shape& to) {
  return {from, [=](const Tensor& x) { return expand(x, asked); },
          [=](const Reference& x) { return make(to, [&](const Dims& i) { return x.broadcast_at(i); }); },
          "to " + to_string(asked)};
}

Case squeeze_case(const Shape& from, const std::vector<int>& axes, const Shape& to) {
  return {from, [=](const Tensor& x) { return squeeze(x, axes); },
          [=](const Reference& x) {
            return Reference{to, x.data};
          },
          list(axes)};
}

Case unsqueeze_case(const Shape& from, int axis, const Shape& to) {
  return {from, [=](const Tensor& x) { return unsqueeze(x, axis); },
          [=](const Reference& x) {
            return Reference{to, x.data};
          },
          std::to_string(axis)};
}

Case flip_case(const Shape& shape, const std::vector<int>& axes) {
  return {shape, [=](const Tensor& x) { return flip(x, axes); },
          [=](const Reference& x) {
            return make(x.shape, [&](const Dims& index) {
              Dims from = index;
              for (const int axis : axes) {
                const int a = (axis + x.rank()) % x.rank();
                from[a] = x.size(a) - 1 - index[a];
              }
              return x.at(from);
            });
          },
          list(axes)};
}

// Python's rule: the positions that start:stop:step names on an axis of `size` elements.
std::vector<int64_t> positions(const Range& range, int64_t size) {
  const auto counted = [&](int64_t position) { return position < 0 ? position + size : position; };
  std::vector<int64_t> all;
  if (range.step > 0) {
    const int64_t start = range.start ? std::max<int64_t>(counted(*range.start), 0) : 0;
    const int64_t stop = range.stop ? std::min(counted(*range.stop), size) : size;
    for (int64_t i = start; i < stop; i += range.step) all.push_back(i);
  } else {
    const int64_t start = range.start ? std::min(counted(*range.start), size - 1) : size - 1;
    const int64_t stop = range.stop ? std::max<int64_t>(counted(*range.stop), -1) : -1;
    for (int64_t i = start; i > stop; i += range.step) all.push_back(i);
  }
  return all;
}

Reference sliced(const Reference& x, const std::vector<Range>& ranges) {
  std::vector<std::vector<int64_t>> chosen;
  Shape shape;
  for (int axis = 0; axis < x.rank(); ++axis) {
    const auto at = static_cast<size_t>(axis);
    chosen.push_back(positions(at < ranges.size() ? ranges[at] : Range{}, x.size(axis)));
    shape.push_back(static_cast<int64_t>(chosen.back().size()));
  }
  return make(shape, [&](const Dims& index) {
    Dims from = index;
    for (int axis = 0; axis < x.rank(); ++axis)
      from[axis] = chosen[static_cast<size_t>(axis)][static_cast<size_t>(index[axis])];
    return x.at(from);
  });
}

Case slice_case(const Shape& shape, const std::vector<Range>& ranges, const std::string& label) {
  return {shape, [=](const Tensor& x) { return slice(x, ranges); },
          [=](const Reference& x) { return sliced(x, ranges); }, label};
}

Case slice_case(const Shape& shape, int axis, int64_t start, int64_t stop, int64_t step) {
  return {shape, [=](const Tensor& x) { return slice(x, axis, start, stop, step); },
          [=](const Reference& x) {
            std::vector<Range> ranges(static_cast<size_t>((axis + x.rank()) % x.rank()) + 1);
            ranges.back() = {start, stop, step};
            return sliced(x, ranges);
          },
          "axis " + std::to_string(axis)};
}

// Zeros with x where the ranges look.
Case unslice_case(const Shape& shape, const std::vector<Range>& ranges, const Shape& to) {
  return {shape, [=](const Tensor& x) { return unslice(x, to, ranges); },
          [=](const Reference& x) {
            const Reference places = make(to, [next = 0](const Dims&) mutable { return next++; });
            const Reference looked_at = sliced(places, ranges);
            Reference y = map(places, [](double) { return 0.0; });
            for (size_t i = 0; i < x.data.size(); ++i) y.data[static_cast<size_t>(looked_at.data[i])] = x.data[i];
            return y;
          },
          "to " + to_string(to)};
}

OpRow split_row() {
  const auto samples = [](uint64_t seed) {
    Draw draw(seed);
    std::vector<Sample> all;
    const auto add = [&](const Shape& shape, const std::vector<int64_t>& sizes, int axis, int parts) {
      all.push_back(sample(
          {draw.floats(shape)},
          [=](const std::vector<Tensor>& x) { return parts > 0 ? split(x[0], parts, axis) : split(x[0], sizes, axis); },
          [=](const References& x) {
            const int at = (axis + x[0].rank()) % x[0].rank();
            References all_parts;
            int64_t start = 0;
            for (const int64_t size : sizes) {
              std::vector<Range> ranges(static_cast<size_t>(at) + 1);
              ranges.back() = {start, start += size};
              all_parts.push_back(sliced(x[0], ranges));
            }
            return all_parts;
          },
          parts > 0 ? "equal parts" : "sizes"));
    };
    add({2, 6}, {1, 3, 2}, 1, 0);
    add({6, 2}, {2, 2, 2}, 0, 3);
    add({3, 4}, {4}, -1, 0);
    add({3, 4}, {0, 4}, 1, 0);
    return all;
  };
  return {"split",
          samples,
          {WrongInput([] { split(ones({7}), 2, 0); }, "7"),
           WrongInput(
               [] {
                 split(ones({7}), std::vector<int64_t>{3, 3}, 0);
               },
               "7"),
           WrongInput(
               [] {
                 split(ones({7}), std::vector<int64_t>{8, -1}, 0);
               },
               ""),
           WrongInput([] { split(ones({7}), 1, 1); }, "out of range"),
           WrongInput([] { split(Tensor(), 1, 0); }, "undefined")}};
}

}  // namespace

void add_views(std::vector<OpRow>& table) {
  table.push_back(
      row("reshape",
          {reshaped({2, 6}, {3, 4}, {3, 4}), reshaped({2, 3, 4}, {-1, 6}, {4, 6}), reshaped({}, {1, 1}, {1, 1}),
           reshaped({1}, {}, {}), reshaped({0, 3}, {3, 0}, {3, 0}), reshaped({5}, {5}, {5})},
          {{[] {
              reshape(ones({2, 3}), {4});
            },
            "6"},
           {[] {
              reshape(ones({2, 3}), {-1, -1});
            },
            "-1"},
           {[] {
              reshape(ones({2, 3}), {-1, 4});
            },
            "6"},
           {[] {
              reshape(ones({2, 3}), {-2, -3});
            },
            "-2"},
           {[] { reshape(Tensor(), {1}); }, "undefined"}}));
  table.push_back(row("flatten",
                      {flattened({2, 3, 2}, 1, {2, 6}), flattened({2, 3}, 0, {6}), flattened({0, 2, 3}, 1, {0, 6}),
                       flattened({2, 1, 3, 2}, -2, {2, 1, 6}), flattened({4}, 0, {4})},
                      {{[] {
                          flatten(ones({2, 3}), 3);
                        },
                        "out of range"},
                       {[] { flatten(Tensor()); }, "undefined"}}));
  table.push_back(row("permute",
                      {permute_case({2, 3, 4}, {2, 0, 1}), permute_case({2, 1, 3, 1, 2}, {4, 3, 0, 1, 2}),
                       permute_case({3}, {0}), permute_case({0, 3}, {1, 0}), permute_case({}, {})},
                      {{[] {
                          permute(ones({2, 3}), {0, 0});
                        },
                        ""},
                       {[] {
                          permute(ones({2, 3}), {0});
                        },
                        ""},
                       {[] {
                          permute(ones({2, 3}), {0, 2});
                        },
                        "2"},
                       {[] { permute(Tensor(), {}); }, "undefined"}}));
  table.push_back(row("transpose",
                      {transpose_case({3, 5}, -2, -1), transpose_case({2, 3, 4}, 0, 2), transpose_case({2, 3, 1}, 1, 1),
                       transpose_case({0, 4}, 0, 1)},
                      {{[] { transpose(ones({3})); }, "two axes"},
                       {[] {
                          transpose(ones({3, 2}), 0, 2);
                        },
                        "out of range"},
                       {[] { transpose(Tensor()); }, "undefined"}}));
  table.push_back(row("broadcast_to",
                      {broadcast_case({2, 1}, {2, 3}), broadcast_case({3}, {2, 2, 3}), broadcast_case({}, {4}),
                       broadcast_case({1, 3, 1}, {2, 3, 2}), broadcast_case({1}, {0}), broadcast_case({2, 3}, {2, 3}),
                       broadcast_case({}, {})},
                      {{[] { broadcast_to(ones({2}), {3}); }, "[3]"},
                       {[] {
                          broadcast_to(ones({2, 3}), {3});
                        },
                        "[3]"},
                       {[] {
                          broadcast_to(ones({2}), {-1, 2});
                        },
                        "-1"},
                       {[] { broadcast_to(Tensor(), {1}); }, "undefined"}}));
  table.push_back(row(
      "expand",
      {expand_case({2, 1}, {-1, 3}, {2, 3}), expand_case({3}, {2, -1}, {2, 3}), expand_case({1, 2}, {3, -1}, {3, 2})},
      {{[] { expand(ones({2}), {3}); }, "[3]"},
       {[] {
          expand(ones({2}), {-1, 2});
        },
        ""},
       {[] { expand(Tensor(), {1}); }, "undefined"}}));
  table.push_back(row("squeeze",
                      {squeeze_case({2, 1, 3, 1}, {1}, {2, 3, 1}), squeeze_case({2, 1, 3, 1}, {}, {2, 3}),
                       squeeze_case({1, 1}, {}, {}), squeeze_case({1, 0, 1}, {0, -1}, {0})},
                      {{[] {
                          squeeze(ones({2, 1}), {0});
                        },
                        "2"},
                       {[] {
                          squeeze(ones({2, 1}), {2});
                        },
                        "out of range"},
                       {[] { squeeze(Tensor()); }, "undefined"}}));
  table.push_back(row("unsqueeze",
                      {unsqueeze_case({2, 3}, 1, {2, 1, 3}), unsqueeze_case({2, 3}, -1, {2, 3, 1}),
                       unsqueeze_case({}, 0, {1}), unsqueeze_case({0}, 0, {1, 0})},
                      {{[] { unsqueeze(ones({2}), 2); }, "out of range"},
                       {[] {
                          unsqueeze(ones({1, 1, 1, 1, 1, 1, 1, 1}), 0);
                        },
                        ""},
                       {[] { unsqueeze(Tensor(), 0); }, "undefined"}}));
  table.push_back(row("flip",
                      {flip_case({2, 5}, {1}), flip_case({3, 2, 2}, {0, -1}), flip_case({4}, {0}),
                       flip_case({2, 0}, {1}), flip_case({2, 3}, {}), flip_case({1, 3}, {0})},
                      {{[] { flip(ones({2}), {1}); }, "out of range"},
                       {[] {
                          flip(ones({2}), {0, -1});
                        },
                        ""},
                       {[] { flip(Tensor(), {}); }, "undefined"}}));
  table.push_back(row(
      "slice",
      {slice_case({5, 4}, {{1, 4}, {{}, {}, 2}}, "[1:4,::2]"), slice_case({7}, {{{}, {}, -1}}, "[::-1]"),
       slice_case({7}, {{-2, 0, -2}}, "[-2:0:-2]"), slice_case({7}, {{2, 100}}, "[2:100]"),
       slice_case({7}, {{-100, 3}}, "[-100:3]"), slice_case({7}, {{5, 2}}, "[5:2]"),
       slice_case({2, 3, 4}, {{}, {1, 2}}, "[:,1:2]"), slice_case({3, 7}, {{}, {100, {}, -3}}, "[:,100::-3]"),
       slice_case({0, 2}, {{0, 1}}, "of nothing"), slice_case({2, 6}, 1, 1, 6, 2), slice_case({2, 6}, -1, -3, -1, 1)},
      {{[] {
          slice(ones({2}), {{0, 1, 0}});
        },
        "step"},
       {[] {
          slice(ones({2}), {{}, {}});
        },
        ""},
       {[] { slice(ones({2}), 1, 0, 1); }, "out of range"},
       {[] { slice(Tensor(), 0, 0, 1); }, "undefined"}}));
  table.push_back(row("unslice",
                      {unslice_case({3, 2}, {{1, 4}, {{}, {}, 2}}, {5, 4}), unslice_case({7}, {{{}, {}, -1}}, {7}),
                       unslice_case({2, 3}, {{}, {-1, {}, -3}}, {2, 7}), unslice_case({0}, {{5, 2}}, {7}),
                       unslice_case({2, 1, 4}, {{}, {1, 2}}, {2, 3, 4})},
                      {{[] {
                          unslice(ones({2}), {4}, {{0, 3}});
                        },
                        "3"},
                       {[] {
                          unslice(ones({2}), {4}, {{0, 2, 0}});
                        },
                        "step"},
                       {[] {
                          unslice(ones({2}), {-4}, {{0, 2}});
                        },
                        "-4"},
                       {[] {
                          unslice(ones({2}), {2}, {{}, {}});
                        },
                        ""},
                       {[] { unslice(Tensor(), {2}, {}); }, "undefined"}}));
  table.push_back(split_row());
}

}  // namespace telaio::samples
