// The rounding rule that Pooling and SPP share.
#pragma once

#include <cmath>
#include <cstdint>

namespace crema::layers {

// Windows along one axis: round((size + 2 pad - kernel) / stride) + 1, rounded up unless `floor`;
// with `clip` (some axis has padding) a last window that would start beyond the image and its
// padding is dropped. Caffe computes the quotient in float32; large planes depend on it.
inline int64_t pooled_size(int64_t size, int64_t kernel, int64_t stride, int64_t pad, bool floor,
                           bool clip) {
  const float steps = static_cast<float>(size + 2 * pad - kernel) / static_cast<float>(stride);
  int64_t out = static_cast<int64_t>(floor ? std::floor(steps) : std::ceil(steps)) + 1;
  if (clip && (out - 1) * stride >= size + pad) --out;
  return out;
}

}  // namespace crema::layers
