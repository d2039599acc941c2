// Per-channel arithmetic on blocked activations, where oneDNN's primitives have plain loops only.
#pragma once

#include <type_traits>

#include "engines/onednn/layout.hpp"

namespace crema::onednn {

// A tensor (N, C, ...) stored as [N][channel blocks][positions][channels in a block].
struct ChannelView {
  int64_t batch = 0, channels = 0, blocks = 0, positions = 0;
  int lanes = 1;  // 1, 4, 8 or 16

  // Empty if the tensor is stored in another order.
  static std::optional<ChannelView> of(const Desc& desc);
  int64_t padded_channels() const { return blocks * lanes; }
};

// fn(std::integral_constant<int, lanes>) for the block sizes that ChannelView::of lets pass.
template <class Fn>
void with_lanes(int lanes, Fn&& fn) {
  switch (lanes) {
    case 1:
      return fn(std::integral_constant<int, 1>());
    case 4:
      return fn(std::integral_constant<int, 4>());
    case 8:
      return fn(std::integral_constant<int, 8>());
    case 16:
      return fn(std::integral_constant<int, 16>());
    default:
      CREMA_CHECK(false, "no such block size");
  }
}

// y = x * factor [+ bias]: per-channel numbers, `channels` of them; a null bias is zero, a null
// factor is one. y may be x. Padding comes out as zeros.
void channel_affine(const ChannelView& view, const float* x, const float* factor, const float* bias,
                    float* y);

// sums[c] = sum over batch and positions of g [* x]. In a fixed order whatever the threads.
void channel_sums(const ChannelView& view, const float* g, const float* x, float* sums);

// Slopes of PReLU: one per channel, or a single one.
struct ChannelSlopes {
  ChannelView view;
  bool single = false;
};

// y = x > 0 ? x : slope x; y may be x.
void channel_prelu(const ChannelSlopes& slopes, const float* x, const float* slope, float* y);

// dx = x > 0 ? g : slope g, dslope = sum of g x where x <= 0. Either may be null; dx may be g.
// Scratch: one number per padded channel. In a fixed order whatever the threads.
void channel_prelu_gradient(const ChannelSlopes& slopes, const float* x, const float* slope,
                            const float* g, float* dx, float* dslope, double* scratch);

}  // namespace crema::onednn
