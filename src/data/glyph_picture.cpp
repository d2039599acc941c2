#include "data/glyph_picture.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace crema::data {

namespace {

// How hard the set is. Lengths are in pixels of a 28 x 28 picture; "swing" bounds a symmetric draw
// that is zero most often (the sum of two uniform ones).
constexpr float kGlyphHeight = 20.0f;    // of the 100 units of the stroke table
constexpr float kRotationSwing = 0.36f;  // radians
constexpr float kShearSwing = 0.28f;
constexpr float kStretchSwing = 0.28f;  // of the width against the height
constexpr float kLeastScale = 0.78f, kMostScale = 1.12f;
constexpr float kShiftSwing = 3.0f;
constexpr float kElasticSwing = 2.2f;
constexpr float kLeastRadius = 0.60f, kMostRadius = 1.45f;  // half the width of the pen
constexpr float kLeastInk = 130.0f, kMostInk = 255.0f;      // grey levels above the paper
constexpr float kMostPaper = 40.0f;
constexpr float kMostNoise = 18.0f;      // standard deviation in grey levels
constexpr float kClutterChance = 0.25f;  // of each of the two stray strokes
constexpr float kLeastStray = 2.5f, kMostStray = 7.0f;
constexpr float kBlotChance = 0.15f;                  // of a spot without ink
constexpr float kLeastBlot = 1.2f, kMostBlot = 3.0f;  // its radius

constexpr uint64_t kNoiseBlock = uint64_t{1} << 32;  // far beyond the other draws of a picture

// The stream's elements one after the other.
class Draws {
 public:
  explicit Draws(const RandomStream& stream) : stream_(stream) {}
  float uniform() {
    if (used_ == block_.size()) {
      block_ = stream_.block(next_++);
      used_ = 0;
    }
    return static_cast<float>(block_[used_++] >> 8) * 0x1p-24f;
  }
  float between(float least, float most) { return least + (most - least) * uniform(); }
  float swing(float most) {
    const float first = uniform();
    return most * (first + uniform() - 1.0f);
  }
  size_t below(size_t n) {
    return std::min(n - 1, static_cast<size_t>(uniform() * static_cast<float>(n)));
  }

 private:
  const RandomStream& stream_;
  Philox4 block_{};
  uint64_t next_ = 0;
  size_t used_ = 4;
};

// A smooth field of displacements: random vectors on a lattice over the box of the strokes, blended
// with a cubic weight.
class Elastic {
 public:
  explicit Elastic(Draws& draws) {
    for (GlyphPoint& node : nodes_) {
      node.x = draws.swing(kElasticSwing);
      node.y = draws.swing(kElasticSwing);
    }
  }
  GlyphPoint at(GlyphPoint p) const {
    const auto [column, u] = place(p.x);
    const auto [row, v] = place(p.y);
    const GlyphPoint* a = &nodes_[row * kNodes + column];
    const auto blend = [u = u, v = v](float p00, float p10, float p01, float p11) {
      const float top = p00 + u * (p10 - p00), bottom = p01 + u * (p11 - p01);
      return top + v * (bottom - top);
    };
    return {blend(a[0].x, a[1].x, a[kNodes].x, a[kNodes + 1].x),
            blend(a[0].y, a[1].y, a[kNodes].y, a[kNodes + 1].y)};
  }

 private:
  static constexpr size_t kNodes = 4;
  static std::pair<size_t, float> place(float x) {
    const float scaled = std::clamp(x * 0.01f, 0.0f, 1.0f) * (kNodes - 1);
    const size_t cell = std::min(kNodes - 2, static_cast<size_t>(scaled));
    const float t = scaled - static_cast<float>(cell);
    return {cell, t * t * (3.0f - 2.0f * t)};
  }
  std::array<GlyphPoint, kNodes * kNodes> nodes_;
};

// From the box of the strokes to pixels.
class Placement {
 public:
  Placement(Draws& draws, int size) : elastic_(draws), unit_(static_cast<float>(size) / 28.0f) {
    const float angle = draws.swing(kRotationSwing), shear = draws.swing(kShearSwing);
    const float scale = draws.between(kLeastScale, kMostScale) * kGlyphHeight / 100.0f;
    const float stretch = std::exp(draws.swing(kStretchSwing));
    const float c = std::cos(angle) * scale, s = std::sin(angle) * scale;
    xx_ = c * stretch;
    xy_ = c * shear - s;
    yx_ = s * stretch;
    yy_ = s * shear + c;
    x0_ = 14.0f + draws.swing(kShiftSwing);
    y0_ = 14.0f + draws.swing(kShiftSwing);
  }
  GlyphPoint operator()(GlyphPoint p) const {
    const GlyphPoint bent = elastic_.at(p);
    const float x = p.x - 50.0f, y = p.y - 50.0f;
    return {unit_ * (x0_ + xx_ * x + xy_ * y + bent.x), unit_ * (y0_ + yx_ * x + yy_ * y + bent.y)};
  }

 private:
  Elastic elastic_;
  float unit_;
  float xx_, xy_, yx_, yy_, x0_, y0_;
};

// Ink from 0 to 1 per pixel; pixel (i, j) has its centre at (j + 0.5, i + 0.5).
class Canvas {
 public:
  explicit Canvas(int size) : size_(size), ink_(static_cast<size_t>(size) * size, 0.0f) {}

  // A straight piece with round ends: ink falls from 1 to 0 over one pixel at distance `radius`.
  void line(GlyphPoint a, GlyphPoint b, float radius) {
    const float reach = radius + 0.5f, dx = b.x - a.x, dy = b.y - a.y;
    const float inverse = 1.0f / std::max(1e-12f, dx * dx + dy * dy);
    const int top = clip(std::min(a.y, b.y) - reach), bottom = clip(std::max(a.y, b.y) + reach + 1);
    const int left = clip(std::min(a.x, b.x) - reach), right = clip(std::max(a.x, b.x) + reach + 1);
    for (int i = top; i < bottom; ++i) {
      float* row = ink_.data() + static_cast<size_t>(i) * size_;
      const float y = static_cast<float>(i) + 0.5f - a.y;
      for (int j = left; j < right; ++j) {
        const float x = static_cast<float>(j) + 0.5f - a.x;
        const float t = std::min(1.0f, std::max(0.0f, (x * dx + y * dy) * inverse));
        const float u = x - t * dx, v = y - t * dy;
        const float cover = std::min(1.0f, reach - std::sqrt(u * u + v * v));
        row[j] = std::max(row[j], cover);
      }
    }
  }

  // Takes the ink off a disc with a soft edge.
  void blot(GlyphPoint centre, float radius) {
    for (int i = clip(centre.y - radius - 1); i < clip(centre.y + radius + 2); ++i)
      for (int j = clip(centre.x - radius - 1); j < clip(centre.x + radius + 2); ++j) {
        const float x = static_cast<float>(j) + 0.5f - centre.x;
        const float y = static_cast<float>(i) + 0.5f - centre.y;
        const float left = std::clamp(std::sqrt(x * x + y * y) - radius + 0.5f, 0.0f, 1.0f);
        ink_[static_cast<size_t>(i) * size_ + static_cast<size_t>(j)] *= left;
      }
  }

  const std::vector<float>& ink() const { return ink_; }

 private:
  int clip(float x) const {
    return static_cast<int>(std::clamp(std::floor(x), 0.0f, static_cast<float>(size_)));
  }
  int size_;
  std::vector<float> ink_;
};

void draw_strokes(const GlyphOutline& outline, const Placement& place, float radius,
                  Canvas& canvas) {
  for (const GlyphStroke& stroke : outline) {
    GlyphPoint last = place(stroke[0]);
    for (size_t i = 1; i < stroke.size(); ++i) {
      const GlyphPoint next = place(stroke[i]);
      canvas.line(last, next, radius);
      last = next;
    }
  }
}

GlyphPoint somewhere(Draws& draws, float size) {
  const float x = draws.uniform() * size;
  return {x, draws.uniform() * size};
}

void draw_clutter(Draws& draws, float size, Canvas& canvas) {
  const float unit = size / 28.0f;
  if (draws.uniform() < kBlotChance) {
    const GlyphPoint centre = somewhere(draws, size);
    canvas.blot(centre, unit * draws.between(kLeastBlot, kMostBlot));
  }
  for (int i = 0; i < 2; ++i) {
    if (draws.uniform() >= kClutterChance) continue;
    const GlyphPoint from = somewhere(draws, size);
    const float angle = draws.uniform() * 2.0f * std::numbers::pi_v<float>;
    const float length = unit * draws.between(kLeastStray, kMostStray);
    canvas.line(from, {from.x + length * std::cos(angle), from.y + length * std::sin(angle)},
                unit * draws.between(kLeastRadius, kMostRadius));
  }
}

// Ink and paper to grey levels, with noise: the sum of a word's four bytes, which is nearly normal.
void develop(const Canvas& canvas, Draws& draws, const RandomStream& stream,
             std::vector<uint8_t>& out) {
  constexpr float kSumMean = 510.0f, kSumDeviation = 147.80f;
  const float paper = draws.uniform() * kMostPaper;
  const float ink = draws.between(kLeastInk, kMostInk);
  const float noise = draws.uniform() * kMostNoise / kSumDeviation;
  const std::vector<float>& cover = canvas.ink();
  out.resize(cover.size());
  for (size_t i = 0; i < out.size(); i += 4) {
    const Philox4 words = stream.block(kNoiseBlock + i / 4);
    for (size_t k = 0; k < std::min<size_t>(4, out.size() - i); ++k) {
      const uint32_t w = words[k], pairs = (w & 0x00FF00FFu) + ((w >> 8) & 0x00FF00FFu);
      const float sum = static_cast<float>((pairs & 0xFFFFu) + (pairs >> 16));
      const float grey = paper + ink * cover[i + k] + noise * (sum - kSumMean);
      out[i + k] = static_cast<uint8_t>(std::clamp(grey, 0.0f, 255.0f) + 0.5f);
    }
  }
}

}  // namespace

void draw_glyph(const GlyphVariants& variants, const RandomStream& stream, int size,
                std::vector<uint8_t>& out) {
  Draws draws(stream);
  Canvas canvas(size);
  const GlyphOutline& outline = variants[draws.below(variants.size())];
  const float unit = static_cast<float>(size) / 28.0f;
  const float radius = unit * draws.between(kLeastRadius, kMostRadius);
  draw_strokes(outline, Placement(draws, size), radius, canvas);
  draw_clutter(draws, static_cast<float>(size), canvas);
  develop(canvas, draws, stream, out);
}

}  // namespace crema::data
