#include <telaio/ops/window2d.hpp>

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include <telaio/autograd/error.hpp>

namespace telaio {

namespace {

// Beyond it sums and products of these numbers could overflow, and positions in an image do not fit i32.
constexpr int64_t limit = std::numeric_limits<int32_t>::max();

// Kernels come here too: nothing is formatted unless it fails.
void check(const char* side, const char* what, int64_t number, int64_t least) {
  if (number < least) throw Error(fmt::format("{}{} must be at least {}, got {}", side, what, least, number));
  if (number > limit) throw Error(fmt::format("{}{} must be less than 2^31, got {}", side, what, number));
}

void check(const char* what, Size2d size) {
  check("the height of ", what, size.height, 1);
  check("the width of ", what, size.width, 1);
}

WindowAxis lay(const char* side, int64_t image, int64_t extent, int64_t stride, int64_t before, int64_t after,
               Padding::Kind kind) {
  if (kind == Padding::Kind::same) {
    const int64_t count = (image + stride - 1) / stride;
    const int64_t total = std::max<int64_t>((count - 1) * stride + extent - image, 0);
    return {total / 2, total - total / 2, count};
  }
  const int64_t padded = image + before + after;
  if (padded < extent) {
    throw Error(fmt::format("the window's {} {} is more than the image's {}{}", side, extent, image,
                            before + after > 0 ? fmt::format(" and {} of padding", before + after) : ""));
  }
  return {before, after, (padded - extent) / stride + 1};
}

}  // namespace

Size2d window_extent(Size2d size, Size2d dilation) {
  check("the window", size);
  check("the dilation", dilation);
  return {dilation.height * (size.height - 1) + 1, dilation.width * (size.width - 1) + 1};
}

Windows2d lay_windows(Size2d image, Size2d extent, Size2d stride, const Padding& padding) {
  check("the image", image);
  check("the stride", stride);
  Padding borders = padding;
  if (padding.kind != Padding::Kind::given) borders = {padding.kind, 0, 0, 0, 0};
  for (const int64_t border : {borders.top, borders.bottom, borders.left, borders.right})
    check("", "padding", border, 0);
  return {lay("height", image.height, extent.height, stride.height, borders.top, borders.bottom, padding.kind),
          lay("width", image.width, extent.width, stride.width, borders.left, borders.right, padding.kind)};
}

std::string to_string(const Size2d& size) {
  return size.height == size.width ? fmt::format("{}", size.height) : fmt::format("{}x{}", size.height, size.width);
}

std::string to_string(const Padding& p) {
  if (p.kind == Padding::Kind::valid) return "valid";
  if (p.kind == Padding::Kind::same) return "same";
  if (p.top == p.bottom && p.top == p.left && p.top == p.right) return fmt::format("{}", p.top);
  return fmt::format("{},{},{},{}", p.top, p.bottom, p.left, p.right);
}

}  // namespace telaio
