// Draws that several fillers use.
#pragma once

#include <algorithm>
#include <span>
#include <string>

#include "base/random.hpp"
#include "tensor/shape.hpp"

namespace crema::layers {

// out[i] = low + (high - low) * stream.uniform(i), never above high.
inline void draw_uniform(const RandomStream& stream, float low, float high, std::span<float> out) {
  const float range = high - low;
  stream.uniforms(0, out);
  for (float& value : out) value = std::min(high, low + range * value);
}

// out[i] = mean + deviation * stream.normal(i).
inline void draw_normal(const RandomStream& stream, float mean, float deviation,
                        std::span<float> out) {
  stream.normals(0, out);
  for (float& value : out) value = mean + deviation * value;
}

inline std::string need_axes(const Shape& shape, const char* filler) {
  if (shape.rank() > 0) return {};
  return std::string("the filler '") + filler + "' needs a blob with at least one axis";
}

}  // namespace crema::layers
