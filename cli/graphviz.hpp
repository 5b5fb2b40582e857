// Pictures of graphs, by the program dot.
#pragma once

#include <string>

namespace telaio::cli {

/// The picture of a graph in Graphviz's language, as SVG. Error where there is no dot (Debian: graphviz), or it fails.
std::string graphviz_svg(const std::string& dot);

}  // namespace telaio::cli
