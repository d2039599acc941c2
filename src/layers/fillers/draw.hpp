// Draws that several fillers use.
#pragma once

#include <algorithm>
#include <span>
#include <string>

#include "base/random.hpp"
#include "tensor/shape.hpp"

namespace crema::layers {

// out[i] = low + (high - low) * stream.uniform(i), never above high. Blocks of four at a time, the
// unit in which the stream is made.
inline void draw_uniform(const RandomStream& stream, float low, float high, std::span<float> out) {
  const float range = high - low;
  for (size_t i = 0; i < out.size(); i += 4) {
    const Philox4 bits = stream.block(i / 4);
    for (size_t j = 0; j < std::min<size_t>(4, out.size() - i); ++j)
      out[i + j] = std::min(high, low + range * (static_cast<float>(bits[j] >> 8) * 0x1p-24f));
  }
}

inline std::string need_axes(const Shape& shape, const char* filler) {
  if (shape.rank() > 0) return {};
  return std::string("the filler '") + filler + "' needs a blob with at least one axis";
}

}  // namespace crema::layers
