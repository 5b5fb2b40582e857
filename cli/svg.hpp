// What pictures share.
#pragma once

#include <string>
#include <string_view>

namespace telaio::cli {

/// Text for XML and HTML.
std::string escaped(std::string_view text);

/// One of four shapes that can be told apart without colours.
std::string svg_marker(size_t shape, double x, double y, std::string_view colour);

}  // namespace telaio::cli
