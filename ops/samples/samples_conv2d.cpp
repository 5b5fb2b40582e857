#include <telaio/ops/conv2d.hpp>
#include <telaio/ops/samples/draw.hpp>
#include <telaio/ops/samples/windows.hpp>

namespace telaio::samples {

namespace {

std::string describe_all(const Conv2dOptions& o) {
  return "stride " + describe(o.stride) + " " + describe(o.padding) + " dilation " + describe(o.dilation) + " groups " +
         std::to_string(o.groups);
}

Size2d extent_of(const Reference& filter, const Conv2dOptions& o) {
  return {o.dilation.height * (filter.size(0) - 1) + 1, o.dilation.width * (filter.size(1) - 1) + 1};
}

// Calls f(small, filter's index, large) for all pairs of pixels that a convolution from a large [N,H,W,C] to a small
// [N,OH,OW,O] image connects.
template <class F>
void each_connection(const Shape& large, const Shape& small, const Reference& filter, const Conv2dOptions& o,
                     int64_t top, int64_t left, F&& f) {
  const int64_t group_inputs = filter.size(2), group_outputs = filter.size(3) / o.groups;
  each_index(small, [&](const Dims& to) {
    each_index({filter.size(0), filter.size(1), group_inputs}, [&](const Dims& k) {
      const int64_t h = to[1] * o.stride.height + k[0] * o.dilation.height - top;
      const int64_t w = to[2] * o.stride.width + k[1] * o.dilation.width - left;
      if (h < 0 || h >= large[1] || w < 0 || w >= large[2]) return;
      f(to, Dims{k[0], k[1], k[2], to[3]}, Dims{to[0], h, w, to[3] / group_outputs * group_inputs + k[2]});
    });
  });
}

Reference convolved(const Reference& image, const Reference& filter, const Conv2dOptions& o) {
  const Size2d extent = extent_of(filter, o);
  const Windows h = rows(image.size(1), extent.height, o.stride.height, o.padding);
  const Windows w = columns(image.size(2), extent.width, o.stride.width, o.padding);
  Reference y = make({image.size(0), h.count, w.count, filter.size(3)}, [](const Dims&) { return 0.0; });
  each_connection(image.shape, y.shape, filter, o, h.before, w.before,
                  [&](const Dims& to, const Dims& k, const Dims& from) { y.at(to) += image.at(from) * filter.at(k); });
  return y;
}

Reference transposed(const Reference& image, const Reference& filter, const Conv2dOptions& o, Size2d more) {
  const Size2d extent = extent_of(filter, o);
  const auto size = [&](int64_t count, int64_t stride, int64_t reach, int64_t padding) {
    return o.padding.kind == Padding::Kind::same ? count * stride : (count - 1) * stride + reach - padding;
  };
  const Padding& p = o.padding;
  const int64_t h = size(image.size(1), o.stride.height, extent.height, p.top + p.bottom) + more.height;
  const int64_t w = size(image.size(2), o.stride.width, extent.width, p.left + p.right) + more.width;
  Reference y = make({image.size(0), h, w, filter.size(2) * o.groups}, [](const Dims&) { return 0.0; });
  each_connection(y.shape, image.shape, filter, o, rows(h, extent.height, o.stride.height, p).before,
                  columns(w, extent.width, o.stride.width, p).before,
                  [&](const Dims& from, const Dims& k, const Dims& to) { y.at(to) += image.at(from) * filter.at(k); });
  return y;
}

std::vector<Sample> conv2d_samples(uint64_t seed) {
  Draw draw(seed);
  std::vector<Sample> all;
  const auto add = [&](const Shape& image, const Shape& filter, const Conv2dOptions& o = {}) {
    all.push_back(sample(
        {draw.floats(image, {-1, 1}), draw.floats(filter, {-1, 1})},
        [=](const std::vector<Tensor>& x) { return std::vector<Tensor>{conv2d(x[0], x[1], o)}; },
        [=](const References& x) { return References{convolved(x[0], x[1], o)}; }, describe_all(o)));
  };
  const Padding same = Padding::same();
  add({1, 4, 4, 2}, {3, 2, 2, 3});
  add({2, 3, 5, 1}, {3, 3, 1, 2}, {.padding = same});
  add({1, 5, 4, 2}, {2, 3, 2, 1}, {.stride = {2, 1}, .padding = same});
  add({1, 5, 5, 1}, {3, 3, 1, 2}, {.stride = 2, .padding = Padding::of(1, 0, 2, 1)});
  add({1, 5, 6, 1}, {2, 2, 1, 1}, {.stride = {1, 2}, .padding = Padding::of(1), .dilation = {3, 2}});
  add({1, 3, 3, 4}, {2, 2, 2, 6}, {.groups = 2});
  add({1, 4, 3, 3}, {3, 2, 1, 3}, {.padding = same, .groups = 3});
  add({1, 3, 4, 2}, {2, 3, 1, 4}, {.stride = 2, .padding = same, .dilation = {1, 2}, .groups = 2});
  add({1, 1, 1, 5}, {1, 1, 5, 3});
  add({1, 7, 1, 1}, {3, 1, 1, 1}, {.stride = 3});
  add({0, 3, 3, 1}, {2, 2, 1, 1});
  add({9, 23, 19, 8}, {3, 3, 8, 17}, {.padding = same});
  add({5, 29, 31, 24}, {3, 3, 1, 24}, {.stride = 2, .padding = same, .groups = 24});
  add({3, 17, 13, 12}, {5, 3, 4, 12}, {.padding = Padding::of(2), .dilation = {1, 2}, .groups = 3});
  return all;
}

std::vector<Sample> conv2d_transpose_samples(uint64_t seed) {
  Draw draw(seed);
  std::vector<Sample> all;
  const auto add = [&](const Shape& image, const Shape& filter, const Conv2dOptions& o = {}, Size2d more = 0) {
    all.push_back(sample(
        {draw.floats(image, {-1, 1}), draw.floats(filter, {-1, 1})},
        [=](const std::vector<Tensor>& x) { return std::vector<Tensor>{conv2d_transpose(x[0], x[1], o, more)}; },
        [=](const References& x) { return References{transposed(x[0], x[1], o, more)}; },
        describe_all(o) + " " + describe(more)));
  };
  const Padding same = Padding::same();
  add({1, 2, 3, 3}, {3, 2, 2, 3});
  add({1, 2, 3, 2}, {3, 3, 1, 2}, {.stride = 2, .padding = same});
  add({1, 3, 2, 2}, {3, 2, 1, 2}, {.stride = {2, 3}, .padding = Padding::of(1, 0, 0, 1)}, {1, 2});
  add({1, 2, 2, 1}, {2, 2, 2, 1}, {.stride = 2, .padding = Padding::of(1), .dilation = {2, 3}}, {1, 0});
  add({1, 3, 2, 4}, {2, 2, 1, 4}, {.stride = 2, .groups = 2});
  add({1, 2, 2, 3}, {3, 3, 1, 3}, {.padding = same, .groups = 3});
  add({0, 2, 2, 1}, {2, 2, 1, 1});
  add({5, 17, 13, 16}, {3, 3, 9, 16}, {.stride = 2, .padding = same});
  return all;
}

}  // namespace

void add_conv2d(std::vector<OpRow>& table) {
  const auto image = [] { return ones({1, 4, 4, 4}); };
  table.push_back({"conv2d",
                   conv2d_samples,
                   {{[=] {
                       conv2d(image(), ones({3, 3, 3, 8}));
                     },
                     "the filter expects 3 input channels, the image has 4"},
                    {[=] {
                       conv2d(ones({4, 4, 4}), ones({3, 3, 4, 8}));
                     },
                     "image"},
                    {[=] {
                       conv2d(image(), ones({3, 3, 4}));
                     },
                     "filter"},
                    {[=] {
                       conv2d(image(), ones({5, 3, 4, 1}));
                     },
                     "5"},
                    {[=] {
                       conv2d(image(), ones({3, 3, 2, 3}), {.groups = 2});
                     },
                     "groups"},
                    {[=] {
                       conv2d(image(), ones({3, 3, 1, 3}), {.groups = 3});
                     },
                     ""},
                    {[=] {
                       conv2d(image(), ones({3, 3, 4, 1}), {.groups = 0});
                     },
                     "groups"},
                    {[=] {
                       conv2d(image(), ones({3, 3, 4, 1}), {.stride = 0});
                     },
                     "stride"},
                    {[=] {
                       conv2d(image(), ones({3, 3, 4, 1}), {.dilation = -1});
                     },
                     "dilation"},
                    {[=] {
                       conv2d(image(), ones({3, 3, 4, 1}), {.padding = Padding::of(-1)});
                     },
                     "-1"},
                    {[=] {
                       conv2d(image(), ones({0, 3, 4, 1}));
                     },
                     ""},
                    {[=] {
                       conv2d(image(), ones({3, 3, 4, 1}, f64));
                     },
                     "f64"},
                    {[=] {
                       conv2d(ones({1, 4, 4, 4}, i32), ones({3, 3, 4, 1}, i32));
                     },
                     "f32 or f64"},
                    {[=] { conv2d(image(), Tensor()); }, "undefined"}}});
  table.push_back({"conv2d_transpose",
                   conv2d_transpose_samples,
                   {{[=] {
                       conv2d_transpose(image(), ones({3, 3, 4, 8}));
                     },
                     "4"},
                    {[=] {
                       conv2d_transpose(image(), ones({3, 3, 2, 4}), {}, 1);
                     },
                     ""},
                    {[=] {
                       conv2d_transpose(image(), ones({3, 3, 2, 4}), {.stride = 2}, -1);
                     },
                     "-1"},
                    {[=] {
                       conv2d_transpose(image(), ones({1, 1, 2, 4}), {.padding = Padding::of(2)});
                     },
                     ""},
                    {[=] {
                       conv2d_transpose(image(), ones({3, 3, 2, 4}), {.groups = 3});
                     },
                     "groups"},
                    {[=] {
                       conv2d_transpose(image(), ones({3, 3, 2}));
                     },
                     "filter"},
                    {[=] {
                       conv2d_transpose(Tensor(), ones({3, 3, 2, 4}));
                     },
                     "undefined"}}});
}

}  // namespace telaio::samples
