// Convolutions with 3x3 and 5x5 kernels at stride 1 by Winograd's algorithm: F(4x4, 3x3) on tiles
// of 6x6 inputs needs a quarter of the multiplications, F(4x4, 5x5) on tiles of 8x8 a sixth. Some
// tiles at a time in cache, so that little scratch is needed, or, of few tiles with large weights,
// some channels at a time (winograd_by_channels.hpp); activations in blocks of channels, groups
// too.
//
// A. Lavin, S. Gray, "Fast algorithms for convolutional neural networks", CVPR 2016.
#pragma once

#include <cstddef>
#include <cstdint>

namespace crema::onednn {

struct Winograd {
  int kernel = 3;  // 3 or 5
  int lanes = 16;  // channels in a block, of x, y and the weights: 16 or 8
  int64_t batch = 1, groups = 1;
  int64_t in_channels = 16, out_channels = 16;  // per group, padding included: whole blocks
  int64_t in_h = 1, in_w = 1, out_h = 1, out_w = 1, pad_h = 0, pad_w = 0;

  int edge() const { return kernel + 3; }  // inputs of a tile, along each axis
  static constexpr int64_t kTile = 4;      // outputs
  int64_t tiles_h() const { return (out_h + kTile - 1) / kTile; }
  int64_t tiles_w() const { return (out_w + kTile - 1) / kTile; }
  int64_t tiles() const { return batch * tiles_h() * tiles_w(); }
  // The convolution that computes the gradient of x from that of y.
  Winograd transposed() const;
  int64_t points() const { return int64_t{edge()} * edge(); }
  int64_t weight_floats() const {  // transformed
    return points() * groups * in_channels * out_channels;
  }
  int64_t group_bytes() const { return weight_floats() / groups * 4; }
  // Bytes that the functions below need.
  size_t forward_scratch() const;
  size_t weights_scratch() const;
};

// y = conv(x) [+ bias] [+ what is in y] [relu]
struct WinogradOutput {
  const float* bias = nullptr;
  int64_t channels = 0;  // of the bias: the last block may be short of some
  bool sum = false, relu = false;
};
// Weights in blocks (g)OIhw<lanes>i<lanes>o; `flipped`: those of the convolution that op is the
// transposed() of.
void winograd_forward(const Winograd& op, const float* x, const float* weights, bool flipped,
                      const WinogradOutput& output, float* y, float* scratch);

// The gradient of the weights, in their blocks.
void winograd_backward_weights(const Winograd& op, const float* x, const float* dy, float* dw,
                               float* scratch);

}  // namespace crema::onednn
