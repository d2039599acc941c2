#include "report/chart.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace crema::report {
namespace {

size_t count(const std::string& text, const std::string& what) {
  size_t n = 0;
  for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += what.size()) ++n;
  return n;
}

Chart chart() {
  Chart out;
  out.title = "rates <&\">";
  out.x_label = "iteration";
  out.y_label = "rate";
  return out;
}

TEST(Chart, is_one_svg_with_title_axes_and_legend) {
  Chart c = chart();
  c.curves = {{"conv1/weight +3", {{0, 1}, {10, 2}}}, {"ip2/weight", {{0, 3}, {10, 1}}}};
  const std::string svg = svg_of(c);
  EXPECT_EQ(svg.find("<svg"), 0u);
  EXPECT_NE(svg.find("</svg>\n"), std::string::npos);
  EXPECT_NE(svg.find("rates &lt;&amp;&quot;&gt;"), std::string::npos) << "nothing unescaped";
  for (const char* text : {">iteration<", ">rate<", ">conv1/weight +3<", ">ip2/weight<", ">10<"})
    EXPECT_NE(svg.find(text), std::string::npos) << text;
}

TEST(Chart, breaks_curves_where_nothing_can_be_drawn) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  Chart c = chart();
  c.log_y = true;
  c.curves = {
      {"a", {{0, kNan}, {1, 0.1}, {2, 0.01}, {3, 0}, {4, 0.01}, {5, 0.1}, {6, -1}, {7, 1}}}};
  const std::string svg = svg_of(c);
  EXPECT_EQ(count(svg, "<circle"), 1u) << "the point between two gaps";
  const std::string path = svg.substr(svg.find("<path d=\"M"));
  EXPECT_EQ(count(path.substr(0, path.find("\" ")), "M"), 3u);
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_EQ(svg.find("inf"), std::string::npos);
}

TEST(Chart, draws_what_is_flat_empty_or_huge) {
  Chart c = chart();
  EXPECT_EQ(svg_of(c).find("nan"), std::string::npos) << "no curve at all";
  for (const bool log : {false, true}) {
    c.log_y = c.log_x = log;
    c.curves = {{"flat", {{1, 0.5}, {2, 0.5}}}};
    EXPECT_EQ(svg_of(c).find("nan"), std::string::npos);
    c.curves = {{"one", {{1, 1e-30}}}, {"other", {{1e12, 1e30}}}};
    const std::string svg = svg_of(c);
    EXPECT_EQ(svg.find("nan"), std::string::npos);
    EXPECT_LT(count(svg, "<line"), 60u) << "not a tick for every decade";
  }
}

TEST(Chart, tells_more_curves_apart_than_it_has_colours) {
  Chart c = chart();
  for (int i = 0; i < 23; ++i) c.curves.push_back({"curve", {{0.0, 1.0 + i}, {1.0, 2.0 + i}}});
  const std::string svg = svg_of(c);
  EXPECT_EQ(count(svg, "stroke=\"#1f77b4\" stroke-width=\"2\" fill=\"none\" stroke-dasharray=\"\""),
            2u);
  EXPECT_EQ(
      count(svg, "stroke=\"#1f77b4\" stroke-width=\"2\" fill=\"none\" stroke-dasharray=\"7 4\""),
      2u);
}

TEST(Chart, marks_stay_inside) {
  Chart c = chart();
  c.curves = {{"a", {{0, 1}, {10, 2}}}};
  c.marks = {{5, "here"}, {11, "beyond"}};
  const std::string svg = svg_of(c);
  EXPECT_NE(svg.find(">here<"), std::string::npos);
  EXPECT_EQ(svg.find(">beyond<"), std::string::npos);
}

}  // namespace
}  // namespace crema::report
