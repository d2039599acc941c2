// Ops with weights: convolution, its transpose, inner product.
#pragma once

#include "ops/op.hpp"
#include "ops/windows.hpp"

namespace crema::ops {

// Cross-correlation over the trailing spatial axes, zero padding.
//   src  x (N, C, D...), w (K, C/groups, k...), [b (K)]     dst  y (N, K, D'...)
//   D' = (D + 2 pad - dilation (k - 1) - 1) / stride + 1 (integer division); any number of
//   spatial axes, 0 included
struct Convolution final : Op, Windows {
  int64_t groups = 1;
  bool bias = true;

  bool row_wise(int source) const override { return source == 0; }
  const char* kind() const override { return "convolution"; }
  std::vector<Shape> infer(std::span<const Shape> src) const override;
  // Part 0: x from w. Part 1: w and b from x.
  std::vector<GradientPart> gradient() const override;
  double flops(std::span<const Shape> src) const override;
  std::string describe() const override;
};

// Transposed convolution: what the gradient of a convolution with these windows and weights does
// to its output.
//   src  x (N, C, D...), w (C, K/groups, k...), [b (K)]     dst  y (N, K, D'...)
//   D' = stride (D - 1) + dilation (k - 1) + 1 - 2 pad
struct Deconvolution final : Op, Windows {
  int64_t groups = 1;
  bool bias = true;

  bool row_wise(int source) const override { return source == 0; }
  const char* kind() const override { return "deconvolution"; }
  std::vector<Shape> infer(std::span<const Shape> src) const override;
  // Part 0: x from w. Part 1: w and b from x.
  std::vector<GradientPart> gradient() const override;
  double flops(std::span<const Shape> src) const override;
  std::string describe() const override;
};

// y = x W^T + b, or x W + b where `transpose`.
//   src  x with M = count(0, axis) rows of K = count(axis) numbers, W (N, K) or (K, N), [b (N)]
//   dst  y (x's axes before `axis`, N)
struct InnerProduct final : Op {
  int axis = 1;  // >= 0
  bool transpose = false;
  bool bias = true;

  bool row_wise(int source) const override { return source == 0 && axis >= 1; }
  const char* kind() const override { return "inner_product"; }
  std::vector<Shape> infer(std::span<const Shape> src) const override;
  // Part 0: x from W. Part 1: W and b from x.
  std::vector<GradientPart> gradient() const override;
  double flops(std::span<const Shape> src) const override;
  std::string describe() const override;
};

// The gradient of a weight matrix that several inner products without bias share, in one go.
//   src  x_0, dy_0, x_1, dy_1, ...   x_i with rows of K numbers from `axis` on, dy_i as many of N
//   dst  dW = sum of dy_i^T x_i, (N, K); where `transpose`, sum of x_i^T dy_i, (K, N)
struct WeightGradientSum final : Op {
  int axis = 1;  // of the x_i
  bool transpose = false;
  Shape weight;  // of dW

  const char* kind() const override { return "weight_gradient_sum"; }
  std::vector<Shape> infer(std::span<const Shape>) const override { return {weight}; }
  double flops(std::span<const Shape> src) const override;
  std::string describe() const override;
};

// One product of it: rows of `left` times rows of `right`, as dW wants them.
struct OuterProduct {
  size_t left, right;  // indices of sources
  int64_t rows;
};
std::vector<OuterProduct> outer_products(const WeightGradientSum& op, std::span<const Shape> src);

}  // namespace crema::ops
