#include <telaio/nn/layers/checks.hpp>

#include <fmt/format.h>

#include <telaio/autograd/op.hpp>

namespace telaio::nn {

void check_at_least(std::string_view type, std::string_view field, int64_t value, int64_t least,
                    const SourceLocation& where) {
  if (value < least) fail(type, fmt::format("{}: expected at least {}, got {}", field, least, value), {}, where);
}

void check_has_axes(std::string_view type, const Tensor& x, std::string_view expected, const SourceLocation& where) {
  if (x.rank() < 2) fail(type, fmt::format("expected samples of one axis or more {}", expected), {&x, 1}, where);
}

void check_rank(std::string_view type, const Tensor& x, int rank, std::string_view expected,
                const SourceLocation& where) {
  if (x.rank() != rank) fail(type, fmt::format("expected {}", expected), {&x, 1}, where);
}

}  // namespace telaio::nn
