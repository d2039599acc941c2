// Maximum pooling of blocked activations. oneDNN's kernels for AVX2 are slower, those that keep the
// positions for the backward pass 3 to 8 times (measured); those for AVX-512 are good.
#pragma once

#include <cstdint>

#include "engines/onednn/channels.hpp"
#include "ops/spatial.hpp"

namespace crema::onednn {

struct MaxPooling {
  ChannelView src, dst;  // in blocks of the same size
  int64_t in_h = 1, in_w = 1;
  ops::Pooling op;

  // Positions of the maxima within their planes, one per element of the destination; -1 where the
  // window holds no number greater than -FLT_MAX.
  size_t position_bytes() const;
};

// positions may be null.
void max_pool(const MaxPooling& pooling, const float* x, float* y, int32_t* positions);
void max_pool_gradient(const MaxPooling& pooling, const int32_t* positions, const float* dy,
                       float* dx);

}  // namespace crema::onednn
