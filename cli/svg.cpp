#include "svg.hpp"

#include <fmt/format.h>

namespace telaio::cli {

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') out += "&amp;";
    else if (c == '<') out += "&lt;";
    else if (c == '>') out += "&gt;";
    else if (c == '"') out += "&quot;";
    else out += c;
  }
  return out;
}

std::string svg_marker(size_t shape, double x, double y, std::string_view colour) {
  switch (shape % 4) {
    case 0:
      return fmt::format("<circle cx='{:.1f}' cy='{:.1f}' r='4' fill='{}'/>\n", x, y, colour);
    case 1:
      return fmt::format("<rect x='{:.1f}' y='{:.1f}' width='7.5' height='7.5' fill='{}'/>\n", x - 3.75, y - 3.75,
                         colour);
    case 2:
      return fmt::format("<path d='M{:.1f} {:.1f}l4.8 8.4h-9.6z' fill='{}'/>\n", x, y - 5.2, colour);
    default:
      return fmt::format("<path d='M{:.1f} {:.1f}l5 5l-5 5l-5 -5z' fill='{}'/>\n", x, y - 5, colour);
  }
}

}  // namespace telaio::cli
