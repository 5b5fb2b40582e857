#include "compare_plot.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "svg.hpp"

namespace telaio::cli {

namespace {

constexpr double panel_width = 340, panel_height = 260, left = 58, right = 18, top = 78, bottom = 52;
constexpr double legend_row = 20, legend_column = 180;

constexpr std::array colours{"#1f6fb4", "#d9730d"};
constexpr std::array dashes{"none", "7 4", "2 3", "9 3 2 3"};

// 1, 10, …, 1k, …, 1M, …
std::string power_of_ten(int power) {
  constexpr std::array units{"", "k", "M", "G", "T"};
  if (power < 0 || power >= 15) return fmt::format("1e{}", power);
  return fmt::format("{}{}", std::array{"1", "10", "100"}[static_cast<size_t>(power % 3)],
                     units[static_cast<size_t>(power / 3)]);
}

/// Where things are in one panel.
struct Axes {
  double x0, y0;  // of the lower left corner
  double least_x, most_x;
  int least, most;  // powers of ten

  double width() const { return panel_width - left - right; }
  double at_x(double x) const {
    // A single place is in the middle.
    return x0 + (most_x > least_x ? 0.04 + 0.92 * (x - least_x) / (most_x - least_x) : 0.5) * width();
  }
  double at_y(double power) const { return y0 - panel_height * (power - least) / (most - least); }
};

Axes axes_of(const std::vector<double>& x, const PlotPanel& panel, size_t number) {
  double least = INFINITY, most = -INFINITY;
  for (const PlotLine& line : panel.lines)
    for (const double value : line.values) {
      if (!(value > 0)) continue;
      least = std::min(least, std::log10(value));
      most = std::max(most, std::log10(value));
    }
  if (!(least <= most)) least = most = 0;
  Axes axes{static_cast<double>(number) * panel_width + left,
            top + panel_height,
            x.front(),
            x.back(),
            static_cast<int>(std::floor(least)),
            static_cast<int>(std::ceil(most))};
  if (axes.most == axes.least) ++axes.most;
  return axes;
}

std::string stroke(size_t line) {
  return fmt::format("stroke='{}' stroke-width='2' stroke-dasharray='{}' fill='none'", colours[line % 2],
                     dashes[line / 2 % dashes.size()]);
}

void draw_axes(std::string& out, const Axes& axes, const std::vector<double>& x, std::string_view x_title,
               std::string_view title) {
  out += fmt::format("<text x='{:.1f}' y='{:.1f}' class='title'>{}</text>\n", axes.x0 + axes.width() / 2, top - 14,
                     escaped(title));
  // At most six labels: more would run into one another when the range is large.
  const int step = std::max(1, (axes.most - axes.least + 5) / 6);
  for (int power = axes.least; power <= axes.most; ++power) {
    const double y = axes.at_y(power);
    out += fmt::format("<path d='M{:.1f} {:.1f}h{:.1f}' class='grid'/>\n", axes.x0, y, axes.width());
    if ((power - axes.least) % step == 0)
      out += fmt::format("<text x='{:.1f}' y='{:.1f}' class='tick' text-anchor='end'>{}</text>\n", axes.x0 - 7, y + 4,
                         power_of_ten(power));
    // The lines at 2 and 5 say that the axis is logarithmic.
    for (const double between : {2.0, 5.0})
      if (power < axes.most && axes.most - axes.least <= 3)
        out += fmt::format("<path d='M{:.1f} {:.1f}h{:.1f}' class='faint'/>\n", axes.x0,
                           axes.at_y(power + std::log10(between)), axes.width());
  }
  out +=
      fmt::format("<path d='M{:.1f} {:.1f}v{:.1f}h{:.1f}' class='axis'/>\n", axes.x0, top, panel_height, axes.width());
  double labelled = -INFINITY;
  for (const double place : x) {
    const double at = axes.at_x(place);
    out += fmt::format("<path d='M{:.1f} {:.1f}v5' class='axis'/>\n", at, axes.y0);
    if (at < labelled + 24) continue;
    labelled = at;
    out += fmt::format("<text x='{:.1f}' y='{:.1f}' class='tick' text-anchor='middle'>{:g}</text>\n", at, axes.y0 + 19,
                       place);
  }
  out += fmt::format("<text x='{:.1f}' y='{:.1f}' class='tick' text-anchor='middle'>{}</text>\n",
                     axes.x0 + axes.width() / 2, axes.y0 + 40, escaped(x_title));
}

void draw_line(std::string& out, const Axes& axes, const std::vector<double>& x, const PlotLine& line, size_t number) {
  std::string path, markers;
  for (size_t i = 0; i < line.values.size(); ++i) {
    if (!(line.values[i] > 0)) continue;
    const double px = axes.at_x(x[i]), py = axes.at_y(std::log10(line.values[i]));
    path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", px, py);
    markers += svg_marker(number / 2, px, py, colours[number % 2]);
  }
  if (!path.empty()) out += fmt::format("<path d='{}' {}/>\n{}", path, stroke(number), markers);
}

}  // namespace

std::string svg_plot(const std::string& title, const std::string& x_title, const std::vector<double>& x,
                     const std::vector<PlotPanel>& panels) {
  const double width = panel_width * static_cast<double>(panels.size());
  // The legend: a column a pair of lines.
  const size_t entries = panels.front().lines.size();
  const auto per_row = std::max<size_t>(1, static_cast<size_t>((width - left - right) / legend_column));
  const size_t pairs = (entries + 1) / 2, bands = (pairs + per_row - 1) / per_row;
  const double legend_top = top + panel_height + bottom + 18;
  const double height = legend_top + legend_row * 2 * static_cast<double>(bands);
  std::string out = fmt::format(
      "<?xml version='1.0' encoding='UTF-8'?>\n"
      "<svg xmlns='http://www.w3.org/2000/svg' width='{0:.0f}' height='{1:.0f}' viewBox='0 0 {0:.0f} {1:.0f}'>\n"
      "<style>text{{font-family:sans-serif;fill:#222}} .head{{font-size:17px;font-weight:bold}} "
      ".title{{font-size:14px;font-weight:bold;text-anchor:middle}} .tick{{font-size:12px}} "
      ".grid{{stroke:#cfcfcf;fill:none}} .faint{{stroke:#ececec;fill:none}} .axis{{stroke:#444;fill:none}}</style>\n"
      "<rect width='{0:.0f}' height='{1:.0f}' fill='#fff'/>\n"
      "<text x='{2:.0f}' y='30' class='head'>{3}</text>\n",
      width, height, left, escaped(title));
  for (size_t i = 0; i < panels.size(); ++i) {
    const Axes axes = axes_of(x, panels[i], i);
    draw_axes(out, axes, x, x_title, panels[i].title);
    for (size_t line = 0; line < panels[i].lines.size(); ++line) draw_line(out, axes, x, panels[i].lines[line], line);
  }
  for (size_t line = 0; line < entries; ++line) {
    const size_t pair = line / 2;
    const double lx = left + legend_column * static_cast<double>(pair % per_row);
    const double ly = legend_top + legend_row * static_cast<double>(pair / per_row * 2 + line % 2);
    out += fmt::format("<path d='M{:.1f} {:.1f}h36' {}/>\n", lx, ly - 4, stroke(line)) +
           svg_marker(pair, lx + 18, ly - 4, colours[line % 2]) +
           fmt::format("<text x='{:.1f}' y='{:.1f}' class='tick'>{}</text>\n", lx + 44, ly,
                       escaped(panels.front().lines[line].name));
  }
  return out + "</svg>\n";
}

}  // namespace telaio::cli
