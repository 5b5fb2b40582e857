#include <telaio/autograd/error.hpp>

#include <fmt/format.h>

namespace telaio {

std::string at_line(const SourceLocation& where) {
  if (where.line() == 0) return {};
  return fmt::format("\n  at {}:{}", where.file_name(), where.line());
}

}  // namespace telaio
