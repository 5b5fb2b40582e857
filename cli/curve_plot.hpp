// Pictures of curves of shares: SVG, alone or in a page.
#pragma once

#include <string>
#include <vector>

namespace telaio::cli {

/// Several lines over one x axis.
struct CurvePanel {
  std::string title, x_title;
  std::vector<double> x;                    ///< ascending
  std::vector<std::vector<double>> shares;  ///< of each line a number in 0…1 for each x
};

/// Panels with the same lines, and what these are called.
struct CurveFigure {
  std::string heading;
  std::vector<std::string> lines;
  std::vector<CurvePanel> panels;
};

/// The figures below one another, panels two in a row, each figure with a legend; light, or dark where that is wanted.
std::string svg_curves(const std::vector<CurveFigure>& figures);

}  // namespace telaio::cli
