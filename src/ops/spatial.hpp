// Ops over the spatial or channel neighbourhood: pooling, windows as columns, local response
// normalisation.
#pragma once

#include "ops/op.hpp"
#include "ops/windows.hpp"

namespace crema::ops {

enum class PoolMethod {
  kMax,
  kAverage,
  kStochastic,  // one cell, drawn with a probability proportional to its value
  kWeighted,    // sum of x^2 / sum of x, what kStochastic gives on average; 0 if no sum is > 0
};

// Pooling of (N, C, H, W) with Caffe's windows: a window starts at i * stride - pad; the maximum is
// over the part inside the image; the average divides by the part inside the image *plus padding*
// (clipped at extent + pad), facts: layers.md, Pooling. Stochastic: Zeiler and Fergus, "Stochastic
// pooling for regularization of deep convolutional neural networks", ICLR 2013; for numbers >= 0,
// without padding. The draw of output i is element i of RandomStream("pool/" + stream, pass).
//   dst 0  y (N, C, out_h, out_w)
//   dst 1  only with `mask`: index of the maximum within its H x W plane, as a number
struct Pooling final : Op {
  PoolMethod method = PoolMethod::kMax;
  int64_t kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1, pad_h = 0, pad_w = 0;
  int64_t out_h = 1, out_w = 1;  // the layer applies the rounding rule
  bool mask = false;             // kMax only
  std::string stream;            // kStochastic only

  bool row_wise(int) const override { return method != PoolMethod::kStochastic; }
  const char* kind() const override { return "pooling"; }
  std::vector<Shape> infer(std::span<const Shape> src) const override;
  // Maximum, stochastic: from the workspace (which cell it was). Average: from diff_dst alone.
  std::vector<GradientPart> gradient() const override;
  Again again() const override { return mask ? Again::kNo : Again::kForward; }
  double again_cost() const override { return method == PoolMethod::kStochastic ? 6 : 2; }
  std::string describe() const override;
};

// The windows of a convolution as columns.
//   src  x (N, C, D...), one or more spatial axes
//   dst  (N, C * product of the kernel, D'...): the row of channel c and kernel position k is
//        c * product + k, the last kernel axis fastest; zero where the window lies in the padding
struct Im2Col final : Op, Windows {
  const char* kind() const override { return "im2col"; }
  std::vector<Shape> infer(std::span<const Shape> src) const override;
  Again again() const override { return Again::kForward; }
  // Where windows overlap, the gradient is the sum.
  std::vector<GradientPart> gradient() const override { return {{{0}, {}, {}}}; }
  std::string describe() const override { return text(); }
};

// y = x * s^-beta.
//   across channels   s = k + alpha / size * sum of x^2 over `size` channels around
//   within a channel  s = 1 + alpha * (average of x^2 over size x size, zeros outside)
struct Lrn final : Op {
  bool within_channel = false;
  int64_t size = 5;  // odd
  float alpha = 1, beta = 0.75f, k = 1;

  bool row_wise(int) const override { return true; }
  const char* kind() const override { return "lrn"; }
  std::vector<Shape> infer(std::span<const Shape> src) const override { return {src[0]}; }
  std::vector<GradientPart> gradient() const override { return {{{0}, {0}, {}, true}}; }
  Again again() const override { return Again::kForward; }
  double again_cost() const override { return 4; }
  std::string describe() const override;
};

}  // namespace crema::ops
