#include <telaio/nn/fields.hpp>

#include <fmt/format.h>

#include <telaio/autograd/error.hpp>

namespace telaio::nn {

void Fields::not_taken(std::string_view name) {
  throw Error(fmt::format("{}: expected a number or a switch: fields of other types are for layers", name));
}

}  // namespace telaio::nn
