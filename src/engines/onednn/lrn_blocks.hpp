// Local response normalisation across channels without a workspace: what oneDNN's primitive keeps
// for the backward pass, twice the size of the data, is computed again.
#pragma once

#include "engines/onednn/channels.hpp"
#include "ops/spatial.hpp"

namespace crema::onednn {

struct BlockLrn {
  ChannelView view;   // not flat: the channels of a position lie beside each other, in blocks
  int64_t reach = 2;  // channels on either side
  float base = 1, factor = 1, beta = 0.75f;  // s = base + factor * (sum of x^2 around)

  // Bytes of scratch for all threads.
  size_t scratch_bytes() const;
};

// Whether it can be done so: beta 0.75, 0.5 or 1 (powers that square roots make), a base above 0
// (padding would be 0 / 0), and a reach within one vector.
bool possible(const BlockLrn& op);

// T: how activations are stored, float or simd::Bf16.
// y = x s^-beta; y may be x.
template <class T>
void lrn_forward(const BlockLrn& op, const T* x, T* y, float* scratch);
// dx = dy s^-beta - 2 factor beta x (sum around of dy x s^(-beta - 1)); dx may be dy.
template <class T>
void lrn_backward(const BlockLrn& op, const T* x, const T* dy, T* dx, float* scratch);

}  // namespace crema::onednn
