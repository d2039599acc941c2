// The shapes of the characters that the Glyphs source draws: pen strokes in a box of 100 x 100.
#pragma once

#include <vector>

namespace crema::data {

struct GlyphPoint {
  float x = 0, y = 0;  // right, down
};
using GlyphStroke = std::vector<GlyphPoint>;      // a polyline
using GlyphOutline = std::vector<GlyphStroke>;    // one way to write a character
using GlyphVariants = std::vector<GlyphOutline>;  // all ways

constexpr int kGlyphDigits = 10, kGlyphLetters = 26;

// Entry c is the character '0' + c below 10, 'A' + c − 10 above: 36 entries. Curves are flattened
// to short straight pieces, long straight strokes cut into pieces, so that both can be bent.
const std::vector<GlyphVariants>& glyph_table();

}  // namespace crema::data
