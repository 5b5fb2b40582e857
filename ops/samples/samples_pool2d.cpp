#include <limits>

#include <telaio/ops/pool2d.hpp>
#include <telaio/ops/samples/draw.hpp>
#include <telaio/ops/samples/windows.hpp>

namespace telaio::samples {

namespace {

// fold(elements of the window, number of places in the padded image that the window covers).
using WindowFold = double (*)(const std::vector<double>& inside, int64_t covered);

Reference pooled(const Reference& x, Size2d window, const Pool2dOptions& o, WindowFold fold) {
  const Size2d stride = o.stride.value_or(window);
  const Windows h = rows(x.size(1), window.height, stride.height, o.padding);
  const Windows w = columns(x.size(2), window.width, stride.width, o.padding);
  return make({x.size(0), h.count, w.count, x.size(3)}, [&](const Dims& to) {
    std::vector<double> inside;
    each_index({window.height, window.width}, [&](const Dims& k) {
      const Dims from{to[0], to[1] * stride.height + k[0] - h.before, to[2] * stride.width + k[1] - w.before, to[3]};
      if (from[1] >= 0 && from[1] < x.size(1) && from[2] >= 0 && from[2] < x.size(2)) inside.push_back(x.at(from));
    });
    return fold(inside, window.height * window.width);
  });
}

double largest(const std::vector<double>& inside, int64_t) { return *std::max_element(inside.begin(), inside.end()); }
double mean_inside(const std::vector<double>& inside, int64_t) {
  return total(inside) / static_cast<double>(inside.size());
}
double mean_covered(const std::vector<double>& inside, int64_t covered) {
  return total(inside) / static_cast<double>(covered);
}

std::vector<Sample> samples(uint64_t seed, bool distinct,
                            const std::function<Tensor(const Tensor&, Size2d, const Pool2dOptions&)>& f,
                            WindowFold fold) {
  Draw draw(seed);
  std::vector<Sample> all;
  const auto add = [&](const Shape& shape, Size2d window, const Pool2dOptions& o = {}) {
    const bool small = numel(shape) < 5000;
    all.push_back(sample(
        distinct && small ? draw.distinct(shape) : draw.floats(shape), [=](const Tensor& x) { return f(x, window, o); },
        [=](const Reference& x) { return pooled(x, window, o, fold); },
        describe(window) + " stride " + describe(o.stride.value_or(window)) + " " + describe(o.padding)));
  };
  const Padding same = Padding::same();
  add({1, 4, 6, 2}, 2);
  add({2, 5, 3, 1}, {2, 3}, {.stride = 1});
  add({1, 5, 5, 2}, 3, {.stride = 2, .padding = same});
  add({1, 4, 3, 2}, 2, {.padding = same});
  add({1, 5, 4, 1}, {3, 2}, {.stride = Size2d(2, 1), .padding = Padding::of(1, 2, 1, 0)});
  add({1, 7, 1, 1}, {2, 1}, {.stride = Size2d(3, 1)});
  add({1, 3, 3, 1}, 3);
  add({1, 3, 2, 5}, 1);
  add({0, 4, 4, 2}, 2);
  add({7, 61, 59, 19}, 3, {.stride = 2, .padding = same});
  add({7, 61, 59, 19}, 2);
  return all;
}

std::vector<Sample> global_samples(uint64_t seed, bool distinct, Tensor (*f)(const Tensor&, const SourceLocation&),
                                   WindowFold fold) {
  Draw draw(seed);
  std::vector<Sample> all;
  for (const Shape& shape :
       {Shape{2, 3, 2, 3}, Shape{1, 1, 1, 4}, Shape{1, 5, 1, 1}, Shape{0, 2, 2, 3}, Shape{11, 41, 37, 13}}) {
    all.push_back(sample(
        distinct && numel(shape) < 5000 ? draw.distinct(shape) : draw.floats(shape),
        [=](const Tensor& x) { return f(x, TELAIO_HERE); },
        [=](const Reference& x) {
          return reduce(x, {1, 2}, false, [=](const std::vector<double>& v) { return fold(v, 0); });
        }));
  }
  return all;
}

std::vector<WrongInput> wrong_pools(Tensor (*f)(const Tensor&, Size2d, const Pool2dOptions&)) {
  return {{[=] {
             f(ones({4, 4, 2}), 2, {});
           },
           ""},
          {[=] {
             f(ones({1, 4, 4, 2}), 5, {});
           },
           "5"},
          {[=] {
             f(ones({1, 4, 4, 2}), 0, {});
           },
           "window"},
          {[=] {
             f(ones({1, 4, 4, 2}), 2, {.stride = 0});
           },
           "stride"},
          {[=] {
             f(ones({1, 4, 4, 2}), 2, {.padding = Padding::of(-1)});
           },
           "-1"},
          {[=] {
             f(ones({1, 4, 4, 2}), 2, {.stride = 1, .padding = Padding::of(2)});
           },
           "padding"},
          {[=] {
             f(ones({1, 4, 4, 2}, i32), 2, {});
           },
           ""},
          {[=] { f(Tensor(), 2, {}); }, "undefined"}};
}

}  // namespace

void add_pool2d(std::vector<OpRow>& table) {
  table.push_back(
      {"max_pool2d",
       [](uint64_t seed) {
         return samples(
             seed, true,
             [](const Tensor& x, Size2d window, const Pool2dOptions& o) { return max_pool2d(x, window, o); }, largest);
       },
       {}});
  table.push_back(
      {"avg_pool2d",
       [](uint64_t seed) {
         std::vector<Sample> all = samples(
             seed, false,
             [](const Tensor& x, Size2d window, const Pool2dOptions& o) { return avg_pool2d(x, window, o); },
             mean_inside);
         for (Sample& one : samples(
                  seed + 1, false,
                  [](const Tensor&x, Size2d window, const Pool2dOptions&o) { return avg_pool2d(x, window, o, true); },
                  mean_covered)) {
           one.label += " with padding";
           all.push_back(std::move(one));
         }
         return all;
       },
       {}});
  table[table.size() - 2].wrong =
      wrong_pools([](const Tensor& x, Size2d window, const Pool2dOptions& o) { return max_pool2d(x, window, o); });
  table.back().wrong =
      wrong_pools([](const Tensor& x, Size2d window, const Pool2dOptions& o) { return avg_pool2d(x, window, o); });
  table.push_back({"global_max_pool2d",
                   [](uint64_t seed) { return global_samples(seed, true, global_max_pool2d, largest); },
                   {{[] {
                       global_max_pool2d(ones({4, 4, 2}));
                     },
                     ""},
                    {[] {
                       global_max_pool2d(ones({1, 0, 4, 2}));
                     },
                     ""},
                    {[] { global_max_pool2d(Tensor()); }, "undefined"}}});
  table.push_back({"global_avg_pool2d",
                   [](uint64_t seed) { return global_samples(seed, false, global_avg_pool2d, mean_inside); },
                   {{[] {
                       global_avg_pool2d(ones({4, 4, 2}));
                     },
                     ""},
                    {[] {
                       global_avg_pool2d(ones({1, 4, 0, 2}));
                     },
                     ""},
                    {[] { global_avg_pool2d(Tensor()); }, "undefined"}}});
}

}  // namespace telaio::samples
