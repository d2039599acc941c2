// Batch normalisation over blocks of channels: y = relu((x - mu) a + beta + z), in two passes over
// x of which the second finds a block still in cache. oneDNN's primitive takes three and knows
// neither sums nor Caffe's running statistics.
#pragma once

#include "engines/onednn/channels.hpp"

namespace crema::onednn {

// What the forward pass leaves for the backward pass: per channel, `channels` numbers each.
struct NormValues {
  float *mean, *inverse, *factor, *beta;  // factor = gamma * inverse, inverse = 1 / sqrt(var + eps)

  static size_t bytes(int64_t channels) { return 4 * stride(channels) * sizeof(float); }
  static NormValues at(void* memory, int64_t channels) {
    auto* base = static_cast<float*>(memory);
    const size_t step = stride(channels);
    return {base, base + step, base + 2 * step, base + 3 * step};
  }

 private:
  static size_t stride(int64_t channels) { return (static_cast<size_t>(channels) + 15) / 16 * 16; }
};

struct Normalisation {
  ChannelView view;
  double eps = 0;
  bool relu = false;

  // Bytes of scratch that statistics() and gradient_sums() need.
  size_t scratch_bytes() const;
  // Work that is cut into blocks where there are enough for all threads, else into images.
  bool by_block() const;
};

// T: how activations are stored, float or simd::Bf16. All else is single precision.
template <class T>
struct NormForward {
  const T* x;
  const float *gamma, *beta;  // null: 1, 0
  const T* z;                 // null: 0
  T* y;
  NormValues values;
  float* variance;  // out: of the batch, biased; null: mean and inverse are given
  double* scratch;
};
template <class T>
void normalise(const Normalisation& op, const NormForward<T>& args);
// y once more, from the values that are there: of the arguments x, z, y and values are used.
template <class T>
void normalise_again(const Normalisation& op, const NormForward<T>& args);

// With g = dy where y was positive (everywhere without relu), m = positions in the batch:
//   d beta = sum g;   d gamma = sum g (x - mu) inverse;   dz = g
//   dx = factor (g - d beta / m - (x - mu) inverse d gamma / m), just factor g if constant
template <class T>
struct NormBackward {
  // x: may be null where statistics are constant and neither dgamma nor the sign needs it.
  // y: null where the sign is to be seen from x.
  const T *x, *y, *dy;
  NormValues values;
  bool constant = false;  // statistics do not depend on x
  T *dx, *dz;             // null ones are not wanted
  float *dgamma, *dbeta;
  double* scratch;
};
template <class T>
void normalise_gradient(const Normalisation& op, const NormBackward<T>& args);

}  // namespace crema::onednn
