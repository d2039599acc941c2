#include "data/glyph_strokes.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <sstream>
#include <string>

#include "base/error.hpp"

namespace crema::data {

namespace {

// Strokes: L points = straight lines; S points = a smooth curve through them; O points = a closed
// smooth curve. "|" separates the ways to write one character.
constexpr std::array<const char*, kGlyphDigits + kGlyphLetters> kStrokes = {
    // 0 to 9
    "O 50 5 72 18 77 50 72 82 50 95 28 82 23 50 28 18 | "
    "S 60 8 40 8 25 35 27 72 46 95 68 84 76 52 70 18 52 4",
    "L 32 24 52 6 52 95 | L 50 5 50 95 | L 32 22 52 6 52 95 L 32 95 72 95",
    "S 24 28 32 12 50 5 68 11 75 28 68 46 50 65 24 95 L 24 95 78 95 | "
    "S 24 25 45 5 72 20 66 50 38 82 22 93 S 22 93 36 80 50 92 62 96 80 86",
    "S 25 15 48 5 70 17 68 38 46 47 S 46 47 70 53 76 72 60 92 40 95 22 84 | "
    "L 25 6 74 6 46 42 S 46 42 70 50 76 70 60 91 40 95 22 84",
    "L 60 5 20 66 82 66 L 62 40 62 95 | L 64 95 64 5 18 68 84 68 | "
    "L 28 5 24 52 78 52 L 66 5 66 95",
    "L 72 6 32 6 28 44 S 28 44 50 38 70 48 76 68 66 88 46 95 24 86 | "
    "L 74 8 34 5 32 40 S 32 40 62 42 74 66 60 90 26 94",
    "S 68 8 46 18 30 42 25 66 33 88 52 95 70 85 74 68 64 53 46 52 30 64 | "
    "S 50 5 32 36 25 68 36 92 58 94 72 78 66 58 46 54 28 68",
    "L 22 6 78 6 42 95 | L 22 6 78 6 42 95 L 36 50 72 50 | L 24 18 26 6 76 6 S 76 6 56 44 48 95",
    "O 50 5 68 12 70 28 50 46 30 28 32 12 O 50 46 72 58 76 78 50 95 24 78 28 58 | "
    "S 70 18 50 5 30 17 36 38 52 48 70 62 74 82 50 95 26 82 30 62 50 46 66 34 70 18",
    "O 50 5 68 14 72 32 64 48 46 54 30 44 26 28 34 11 S 72 32 72 60 62 95 | "
    "S 72 30 58 52 34 48 26 28 40 8 60 8 72 30 S 72 30 70 60 54 86 32 95",
    // A to Z
    "L 18 95 50 5 82 95 L 31 62 69 62 | S 20 95 26 40 50 5 74 40 80 95 L 24 60 76 60",
    "L 25 5 25 95 S 25 5 58 8 66 26 54 44 25 47 S 25 47 64 51 74 72 60 91 25 95",
    "S 78 22 60 6 36 12 22 36 22 64 36 88 60 94 78 78",
    "L 25 5 25 95 S 25 5 55 9 76 32 76 68 55 91 25 95",
    "L 74 5 27 5 27 95 76 95 L 27 48 66 48 | "
    "S 74 14 50 5 30 18 34 40 54 47 S 54 47 30 54 26 78 48 95 76 84",
    "L 75 5 28 5 28 95 L 28 48 66 48",
    "S 76 20 58 6 36 11 22 36 22 64 36 88 58 94 76 82 L 76 82 76 54 54 54",
    "L 22 5 22 95 L 78 5 78 95 L 22 50 78 50",
    "L 50 5 50 95 | L 50 5 50 95 L 32 5 68 5 L 32 95 68 95",
    "L 64 5 64 68 S 64 68 58 90 42 95 26 86 22 70 | "
    "L 62 5 62 68 S 62 68 56 90 40 95 24 86 20 70 L 42 5 84 5",
    "L 25 5 25 95 L 76 5 25 56 L 42 40 78 95",
    "L 28 5 28 95 76 95",
    "L 16 95 20 5 50 62 80 5 84 95 | L 18 95 18 5 50 50 82 5 82 95",
    "L 22 95 22 5 78 95 78 5",
    "O 50 5 78 16 90 50 78 84 50 95 22 84 10 50 22 16",
    "L 26 95 26 5 S 26 5 60 8 74 27 60 48 26 52",
    "O 50 5 76 16 86 48 76 80 50 91 24 80 14 48 24 16 L 58 66 88 98",
    "L 26 95 26 5 S 26 5 60 8 74 27 60 48 26 52 L 48 51 78 95",
    "S 74 20 56 5 34 10 28 28 44 44 62 54 74 74 60 93 38 94 24 80",
    "L 18 5 82 5 L 50 5 50 95",
    "L 22 5 22 62 S 22 62 30 88 50 95 70 88 78 62 L 78 62 78 5",
    "L 18 5 50 95 82 5",
    "L 10 5 30 95 50 35 70 95 90 5 | S 10 5 18 70 30 94 44 78 50 40 56 78 70 94 82 70 90 5",
    "L 20 5 80 95 L 80 5 20 95",
    "L 18 5 50 48 82 5 L 50 48 50 95 | L 18 5 50 50 L 82 5 34 95",
    "L 22 5 78 5 22 95 80 95 | L 22 5 78 5 22 95 80 95 L 34 50 66 50",
};

constexpr float kPiece = 14.0f;  // length of the pieces that strokes are cut into

int pieces_between(GlyphPoint a, GlyphPoint b) {
  return std::max(1, static_cast<int>(std::ceil(std::hypot(b.x - a.x, b.y - a.y) / kPiece)));
}

GlyphStroke cut_lines(const GlyphStroke& points) {
  GlyphStroke out{points.front()};
  for (size_t i = 0; i + 1 < points.size(); ++i) {
    const GlyphPoint a = points[i], b = points[i + 1];
    const int pieces = pieces_between(a, b);
    for (int k = 1; k <= pieces; ++k) {
      const float t = static_cast<float>(k) / static_cast<float>(pieces);
      out.push_back({a.x + t * (b.x - a.x), a.y + t * (b.y - a.y)});
    }
  }
  return out;
}

// The uniform Catmull-Rom spline between b and c, with neighbours a and d.
GlyphPoint spline(GlyphPoint a, GlyphPoint b, GlyphPoint c, GlyphPoint d, float t) {
  const auto blend = [t](float p, float q, float r, float s) {
    return 0.5f *
           (2 * q + t * (r - p + t * (2 * p - 5 * q + 4 * r - s + t * (3 * (q - r) + s - p))));
  };
  return {blend(a.x, b.x, c.x, d.x), blend(a.y, b.y, c.y, d.y)};
}

GlyphStroke flatten_curve(const GlyphStroke& points, bool closed) {
  const int n = static_cast<int>(points.size());
  const auto at = [&](int i) {
    return points[static_cast<size_t>(closed ? (i + n) % n : std::clamp(i, 0, n - 1))];
  };
  GlyphStroke out{points.front()};
  for (int i = 0; i + (closed ? 0 : 1) < n; ++i) {
    const int pieces = pieces_between(at(i), at(i + 1)) + 1;
    for (int k = 1; k <= pieces; ++k)
      out.push_back(spline(at(i - 1), at(i), at(i + 1), at(i + 2),
                           static_cast<float>(k) / static_cast<float>(pieces)));
  }
  return out;
}

void finish_stroke(char kind, GlyphStroke& points, GlyphOutline& outline) {
  if (points.empty()) return;
  CREMA_CHECK(points.size() >= 2, "a glyph's stroke has two points at least");
  outline.push_back(kind == 'L' ? cut_lines(points) : flatten_curve(points, kind == 'O'));
  points.clear();
}

GlyphVariants parse_strokes(const char* text) {
  GlyphVariants out(1);
  std::istringstream words(text);
  GlyphStroke points;
  char kind = 0;
  for (std::string word; words >> word;) {
    const bool number = word[0] >= '0' && word[0] <= '9';
    if (number) {
      GlyphPoint point{std::stof(word), 0};
      words >> point.y;
      points.push_back(point);
      continue;
    }
    finish_stroke(kind, points, out.back());
    kind = word[0];
    if (kind == '|') out.emplace_back();
  }
  finish_stroke(kind, points, out.back());
  return out;
}

}  // namespace

const std::vector<GlyphVariants>& glyph_table() {
  static const std::vector<GlyphVariants> table = [] {
    std::vector<GlyphVariants> out;
    for (const char* text : kStrokes) out.push_back(parse_strokes(text));
    return out;
  }();
  return table;
}

}  // namespace crema::data
