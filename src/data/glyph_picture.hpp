// Drawing one picture of a character.
#pragma once

#include <cstdint>
#include <vector>

#include "base/random.hpp"
#include "data/glyph_strokes.hpp"

namespace crema::data {

// Draws one of the variants, deformed, with clutter and noise, into size x size bytes (0 black, 255
// white; light on dark). A pure function of its arguments.
void draw_glyph(const GlyphVariants& variants, const RandomStream& stream, int size,
                std::vector<uint8_t>& out);

}  // namespace crema::data
