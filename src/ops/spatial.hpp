// Ops over the spatial or channel neighbourhood: pooling, local response normalisation.
#pragma once

#include "ops/op.hpp"

namespace crema::ops {

enum class PoolMethod { kMax, kAverage };

// Pooling of (N, C, H, W) with Caffe's windows: a window starts at i * stride - pad; the maximum is
// over the part inside the image; the average divides by the part inside the image *plus padding*
// (clipped at extent + pad), facts: layers.md, Pooling.
//   dst 0  y (N, C, out_h, out_w)
//   dst 1  only with `mask`: index of the maximum within its H x W plane, as a number
struct Pooling final : Op {
  PoolMethod method = PoolMethod::kMax;
  int64_t kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1, pad_h = 0, pad_w = 0;
  int64_t out_h = 1, out_w = 1;  // the layer applies the rounding rule
  bool mask = false;

  const char* kind() const override { return "pooling"; }
  std::vector<Shape> infer(std::span<const Shape> src) const override;
  // Maximum: from the workspace (where each maximum was). Average: from diff_dst alone.
  std::vector<GradientPart> gradient() const override;
  std::string describe() const override;
};

// y = x * s^-beta.
//   across channels   s = k + alpha / size * sum of x^2 over `size` channels around
//   within a channel  s = 1 + alpha * (average of x^2 over size x size, zeros outside)
struct Lrn final : Op {
  bool within_channel = false;
  int64_t size = 5;  // odd
  float alpha = 1, beta = 0.75f, k = 1;

  const char* kind() const override { return "lrn"; }
  std::vector<Shape> infer(std::span<const Shape> src) const override { return {src[0]}; }
  std::vector<GradientPart> gradient() const override { return {{{0}, {0}, {0}, true}}; }
  std::string describe() const override;
};

}  // namespace crema::ops
