#include "report/chart.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace crema::report {

namespace {

constexpr double kWidth = 1000, kPlotHeight = 420;
constexpr double kLeft = 84, kTop = 56, kBottom = 56, kLegend = 250;
constexpr double kRight = kWidth - kLegend;  // of the plot
constexpr double kLine = 18;                 // of the legend
constexpr const char* kColours[] = {"#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e",
                                    "#17becf", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22"};
constexpr const char* kDashes[] = {"", "7 4", "2 3", "10 3 2 3"};

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else
      out += c;
  }
  return out;
}

// One axis: from numbers to pixels, and where its ticks are.
class Axis {
 public:
  Axis(bool log, double from, double to) : log_(log), from_(from), to_(to) {}
  bool drawable(double x) const { return std::isfinite(x) && (!log_ || x > 0); }
  void take(double x) {
    if (!drawable(x)) return;
    low_ = std::min(low_, x);
    high_ = std::max(high_, x);
  }
  // Room around what was taken, so that no curve lies on the frame.
  void settle(double share) {
    if (low_ > high_) low_ = log_ ? 0.1 : 0, high_ = 1;
    low_ = scaled(low_), high_ = scaled(high_);
    if (high_ - low_ < 1e-12 * std::max(1.0, std::abs(high_))) {
      const double around = log_ ? 0.5 : std::max(0.5 * std::abs(high_), 1e-12);
      low_ -= around, high_ += around;
      return;
    }
    const double room = share * (high_ - low_);
    low_ -= room, high_ += room;
  }
  double pixel(double x) const {
    return from_ + (scaled(x) - low_) / (high_ - low_) * (to_ - from_);
  }
  std::vector<double> ticks() const { return log_ ? log_ticks() : linear_ticks(); }

 private:
  double scaled(double x) const { return log_ ? std::log10(x) : x; }
  std::vector<double> linear_ticks() const {
    const double rough = (high_ - low_) / 6, power = std::pow(10, std::floor(std::log10(rough)));
    const double times = rough / power;
    const double step = power * (times <= 1 ? 1 : times <= 2 ? 2 : times <= 5 ? 5 : 10);
    std::vector<double> out;
    for (double k = std::ceil(low_ / step); k * step <= high_; ++k) out.push_back(k * step);
    return out;
  }
  // Decades; few of them get their 2 and 5 too.
  std::vector<double> log_ticks() const {
    const double decades = high_ - low_;
    const int every = std::max(1, static_cast<int>(std::ceil(decades / 10)));
    std::vector<double> out;
    for (int power = static_cast<int>(std::floor(low_)); power <= std::ceil(high_); ++power) {
      if (power % every != 0) continue;
      for (const double times : {1.0, 2.0, 5.0}) {
        if (times > 1 && decades > 2.5) continue;
        const double x = times * std::pow(10.0, power), s = std::log10(x);
        if (s >= low_ && s <= high_) out.push_back(x);
      }
    }
    return out;
  }

  bool log_;
  double from_, to_;  // pixels
  double low_ = std::numeric_limits<double>::infinity(), high_ = -low_;
};

class Picture {
 public:
  explicit Picture(const Chart& chart)
      : chart_(chart),
        x_(chart.log_x, kLeft, kRight),
        y_(chart.log_y, kTop + kPlotHeight, kTop),
        height_(std::max(kTop + kPlotHeight + kBottom,
                         kTop + kLine * static_cast<double>(chart.curves.size() + 1))) {
    for (const Curve& curve : chart.curves)
      for (const auto& [x, y] : curve.points) {
        if (!x_.drawable(x) || !y_.drawable(y)) continue;
        x_.take(x);
        y_.take(y);
      }
    x_.settle(0);
    y_.settle(0.06);
  }

  std::string draw() {
    add(R"(<svg xmlns="http://www.w3.org/2000/svg" width="{0}" height="{1}" viewBox="0 0 {0} {1}" )"
        R"(font-family="sans-serif" font-size="13">)",
        kWidth, height_);
    add(R"(<rect width="100%" height="100%" fill="white"/>)");
    text(kLeft, 26, "start", chart_.title, 16);
    axes();
    for (const Mark& mark : chart_.marks) draw_mark(mark);
    for (size_t i = 0; i < chart_.curves.size(); ++i) draw_curve(i);
    return out_ + "</svg>\n";
  }

 private:
  template <class... Args>
  void add(fmt::format_string<Args...> form, Args&&... args) {
    out_ += fmt::format(form, std::forward<Args>(args)...) + "\n";
  }
  void text(double x, double y, const char* anchor, const std::string& words, int size = 13) {
    add(R"(<text x="{:.1f}" y="{:.1f}" text-anchor="{}" font-size="{}">{}</text>)", x, y, anchor,
        size, escaped(words));
  }
  void line(double x1, double y1, double x2, double y2, const char* style) {
    add(R"(<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" {}/>)", x1, y1, x2, y2, style);
  }

  void axes() {
    constexpr const char* kGrid = R"(stroke="#dddddd")";
    const double bottom = kTop + kPlotHeight;
    for (const double x : x_.ticks()) {
      line(x_.pixel(x), kTop, x_.pixel(x), bottom, kGrid);
      text(x_.pixel(x), bottom + 18, "middle", fmt::format("{:g}", x));
    }
    for (const double y : y_.ticks()) {
      line(kLeft, y_.pixel(y), kRight, y_.pixel(y), kGrid);
      text(kLeft - 6, y_.pixel(y) + 4, "end", fmt::format("{:g}", y));
    }
    add(R"(<rect x="{}" y="{}" width="{}" height="{}" fill="none" stroke="#444444"/>)", kLeft, kTop,
        kRight - kLeft, kPlotHeight);
    text((kLeft + kRight) / 2, bottom + 42, "middle", chart_.x_label);
    add(R"x(<text transform="translate(18 {:.1f}) rotate(-90)" text-anchor="middle">{}</text>)x",
        kTop + kPlotHeight / 2, escaped(chart_.y_label));
  }

  void draw_mark(const Mark& mark) {
    if (!x_.drawable(mark.x)) return;
    const double x = x_.pixel(mark.x);
    if (x < kLeft || x > kRight) return;
    line(x, kTop, x, kTop + kPlotHeight, R"(stroke="#888888" stroke-dasharray="3 3")");
    text(x, kTop - 6, "middle", mark.text, 11);
  }

  // A bare point between two gaps would be an invisible path: it becomes a dot.
  void draw_curve(size_t i) {
    const Curve& curve = chart_.curves[i];
    const std::string style = fmt::format(
        R"(stroke="{}" stroke-width="2" fill="none" stroke-dasharray="{}")",
        kColours[i % std::size(kColours)], kDashes[i / std::size(kColours) % std::size(kDashes)]);
    std::string path;
    size_t run = 0;  // drawable points since the last gap
    const auto end_run = [&](double x, double y) {
      if (run == 1)
        add(R"(<circle cx="{:.1f}" cy="{:.1f}" r="2.5" fill="{}"/>)", x, y,
            kColours[i % std::size(kColours)]);
      run = 0;
    };
    double px = 0, py = 0;
    for (const auto& [x, y] : curve.points) {
      if (!x_.drawable(x) || !y_.drawable(y)) {
        end_run(px, py);
        continue;
      }
      px = x_.pixel(x), py = y_.pixel(y);
      path += fmt::format("{}{:.1f} {:.1f}", run++ == 0 ? "M" : "L", px, py);
    }
    end_run(px, py);
    if (!path.empty()) add(R"(<path d="{}" {}/>)", path, style);
    const double y = kTop + 8 + kLine * static_cast<double>(i);
    add(R"(<path d="M{:.1f} {:.1f}h28" {}/>)", kRight + 14, y, style);
    text(kRight + 48, y + 4, "start", shortened(curve.name));
  }

  static std::string shortened(const std::string& name) {
    constexpr size_t kMost = 30;
    if (name.size() <= kMost) return name;
    size_t cut = kMost - 3;
    while (cut > 0 && (name[cut] & 0xc0) == 0x80) --cut;  // not inside of a UTF-8 character
    return name.substr(0, cut) + "...";
  }

  const Chart& chart_;
  Axis x_, y_;
  double height_;
  std::string out_;
};

}  // namespace

std::string svg_of(const Chart& chart) {
  return Picture(chart).draw();
}

}  // namespace crema::report
