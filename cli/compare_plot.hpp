// The picture of `telaio compare`: what grows how fast.
#pragma once

#include <string>
#include <vector>

namespace telaio::cli {

/// One line of a panel.
struct PlotLine {
  std::string name;            ///< in the legend; lines of one name in several panels look alike
  std::vector<double> values;  ///< one for each x; positive, or not drawn
};

struct PlotPanel {
  std::string title;
  std::vector<PlotLine> lines;
};

/// Panels side by side over one x axis, whose places are those of `x` (ascending), with logarithmic y axes and a legend
/// below: an SVG file. Lines are coloured in pairs: the even ones (cnn) blue, the odd ones (dense) orange, each pair
/// with a marker and dashes of its own.
std::string svg_plot(const std::string& title, const std::string& x_title, const std::vector<double>& x,
                     const std::vector<PlotPanel>& panels);

}  // namespace telaio::cli
