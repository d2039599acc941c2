// Curves as an SVG picture: one file, no script, readable in print.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace crema::report {

struct Curve {
  std::string name;
  // In ascending x. A point that cannot be drawn (not finite, or not positive on a log axis) breaks
  // the curve.
  std::vector<std::pair<double, double>> points;
};

// A thin vertical line with a word, at x.
struct Mark {
  double x = 0;
  std::string text;
};

struct Chart {
  std::string title, x_label, y_label;
  bool log_x = false, log_y = false;
  std::vector<Curve> curves;
  std::vector<Mark> marks;
};

// The whole file. Curves beyond the ten colours are dashed.
std::string svg_of(const Chart& chart);

}  // namespace crema::report
