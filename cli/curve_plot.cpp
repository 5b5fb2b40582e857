#include "curve_plot.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "svg.hpp"

namespace telaio::cli {

namespace {

constexpr double panel_width = 430, panel_height = 230, left = 58, right = 22, top = 44, bottom = 56;
constexpr double heading_height = 40, legend_row = 22, legend_column = 215, width = 2 * panel_width;

// Apart from one another for people who see colours differently, too (Okabe and Ito), on white and on black.
constexpr std::array colours{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b58900", "#56b4e9"};
constexpr std::array dashes{"none", "8 4", "2 3", "9 3 2 3", "12 3"};

std::string_view colour(size_t line) { return colours[line % colours.size()]; }

struct Place {
  double x0, y0, least, most;  // of the lower left corner, and the ends of the x axis

  double at_x(double x) const {
    const double share = most > least ? (x - least) / (most - least) : 0.5;
    return x0 + (0.03 + 0.94 * share) * (panel_width - left - right);
  }
  double at_y(double share) const { return y0 - panel_height * share; }
};

void draw_panel(std::string& out, const CurvePanel& panel, double x, double y) {
  const auto [least, most] = std::minmax_element(panel.x.begin(), panel.x.end());
  const Place place{x + left, y + top + panel_height, *least, *most};
  const double inner = panel_width - left - right;
  out += fmt::format("<text x='{:.1f}' y='{:.1f}' class='title'>{}</text>\n", place.x0 + inner / 2, y + top - 14,
                     escaped(panel.title));
  for (int percent = 0; percent <= 100; percent += 25) {
    const double at = place.at_y(percent / 100.0);
    out += fmt::format(
        "<path d='M{:.1f} {:.1f}h{:.1f}' class='grid'/>\n<text x='{:.1f}' y='{:.1f}' class='tick' "
        "text-anchor='end'>{}%</text>\n",
        place.x0, at, inner, place.x0 - 7, at + 4, percent);
  }
  out += fmt::format("<path d='M{:.1f} {:.1f}v{:.1f}h{:.1f}' class='axis'/>\n", place.x0, y + top, panel_height, inner);
  double labelled = -1e9;
  for (const double amount : panel.x) {
    const double at = place.at_x(amount);
    out += fmt::format("<path d='M{:.1f} {:.1f}v5' class='axis'/>\n", at, place.y0);
    if (at < labelled + 30) continue;
    labelled = at;
    out += fmt::format("<text x='{:.1f}' y='{:.1f}' class='tick' text-anchor='middle'>{:g}</text>\n", at, place.y0 + 19,
                       amount);
  }
  out += fmt::format("<text x='{:.1f}' y='{:.1f}' class='tick' text-anchor='middle'>{}</text>\n", place.x0 + inner / 2,
                     place.y0 + 39, escaped(panel.x_title));
  for (size_t line = 0; line < panel.shares.size(); ++line) {
    std::string path, markers;
    for (size_t i = 0; i < panel.x.size(); ++i) {
      const double px = place.at_x(panel.x[i]), py = place.at_y(panel.shares[line][i]);
      path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", px, py);
      markers += svg_marker(line, px, py, colour(line));
    }
    out += fmt::format("<path d='{}' stroke='{}' stroke-width='2' stroke-dasharray='{}' fill='none'/>\n{}", path,
                       colour(line), dashes[line % dashes.size()], markers);
  }
}

double rows_of(size_t count, double in_a_row) {
  return static_cast<double>((count + static_cast<size_t>(in_a_row) - 1) / static_cast<size_t>(in_a_row));
}
constexpr double legends_in_a_row = 4;

double height_of(const CurveFigure& figure) {
  return heading_height + rows_of(figure.panels.size(), 2) * (top + panel_height + bottom) +
         rows_of(figure.lines.size(), legends_in_a_row) * legend_row + 16;
}

void draw_figure(std::string& out, const CurveFigure& figure, double y) {
  out += fmt::format("<text x='{:.1f}' y='{:.1f}' class='head'>{}</text>\n", left, y + 26, escaped(figure.heading));
  y += heading_height;
  for (size_t i = 0; i < figure.panels.size(); ++i)
    draw_panel(out, figure.panels[i], static_cast<double>(i % 2) * panel_width,
               y + static_cast<double>(i / 2) * (top + panel_height + bottom));
  y += rows_of(figure.panels.size(), 2) * (top + panel_height + bottom) + 14;
  for (size_t line = 0; line < figure.lines.size(); ++line) {
    const auto per_row = static_cast<size_t>(legends_in_a_row);
    const double lx = left + legend_column * static_cast<double>(line % per_row) * (width - left) / width;
    const double ly = y + legend_row * static_cast<double>(line / per_row);
    out +=
        fmt::format("<path d='M{:.1f} {:.1f}h36' stroke='{}' stroke-width='2' stroke-dasharray='{}'/>\n", lx, ly - 4,
                    colour(line), dashes[line % dashes.size()]) +
        svg_marker(line, lx + 18, ly - 4, colour(line)) +
        fmt::format("<text x='{:.1f}' y='{:.1f}' class='tick'>{}</text>\n", lx + 44, ly, escaped(figure.lines[line]));
  }
}

}  // namespace

std::string svg_curves(const std::vector<CurveFigure>& figures) {
  double height = 8;
  for (const CurveFigure& figure : figures) height += height_of(figure);
  std::string out = fmt::format(
      "<svg xmlns='http://www.w3.org/2000/svg' width='{0:.0f}' height='{1:.0f}' viewBox='0 0 {0:.0f} {1:.0f}'>\n"
      "<style>text{{font-family:sans-serif;fill:#222}} .head{{font-size:17px;font-weight:bold}} "
      ".title{{font-size:14px;font-weight:bold;text-anchor:middle}} .tick{{font-size:12px}} "
      ".grid{{stroke:#dcdcdc;fill:none}} .axis{{stroke:#444;fill:none}} .paper{{fill:#fff}} "
      "@media (prefers-color-scheme:dark){{text{{fill:#ddd}} .grid{{stroke:#3a3a3a}} .axis{{stroke:#bbb}} "
      ".paper{{fill:#16181c}}}}</style>\n"
      "<rect width='{0:.0f}' height='{1:.0f}' class='paper'/>\n",
      width, height);
  double y = 4;
  for (const CurveFigure& figure : figures) {
    draw_figure(out, figure, y);
    y += height_of(figure);
  }
  return out + "</svg>\n";
}

}  // namespace telaio::cli
