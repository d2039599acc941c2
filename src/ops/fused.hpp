// Several ops of a net computed in one pass over memory. Only the plan makes them, and only where
// the engine that would run the first of them offers the whole.
#pragma once

#include <memory>

#include "ops/linear.hpp"
#include "ops/pointwise.hpp"
#include "ops/shape_ops.hpp"
#include "ops/statistics.hpp"

namespace crema::ops {

// What is done to a result before it is stored, in this order.
struct Post {
  bool sum = false;  // + the op's last source, which has the result's shape
  std::shared_ptr<const Unary> function;
};

// Convolution, then `post`. Its gradients are those of the ops it is made of: none of them reads
// the values between.
//   src  those of the convolution, [summand]
struct FusedConvolution final : Op {
  Convolution convolution;
  Post post;

  bool row_wise(int source) const override {
    return source == 0 || source > (convolution.bias ? 2 : 1);
  }
  const char* kind() const override { return "fused_convolution"; }
  std::vector<Shape> infer(std::span<const Shape> src) const override {
    return convolution.infer(src);
  }
  std::vector<InPlace> in_place() const override;
  double flops(std::span<const Shape> src) const override { return convolution.flops(src); }
  std::string describe() const override;
};

// Inner product, then `post`, in the same way.
struct FusedInnerProduct final : Op {
  InnerProduct product;
  Post post;

  bool row_wise(int source) const override {
    return product.row_wise(source) || source > (product.bias ? 2 : 1);
  }
  const char* kind() const override { return "fused_inner_product"; }
  std::vector<Shape> infer(std::span<const Shape> src) const override { return product.infer(src); }
  std::vector<InPlace> in_place() const override;
  double flops(std::span<const Shape> src) const override { return product.flops(src); }
  std::string describe() const override;
};

// Batch normalisation with a learned factor and bias per channel, a sum and ReLU:
//   y = relu(gamma (x - mu) / sqrt(var + eps) + beta + z)
//   src  those of BatchNorm, [gamma (C)], [beta (C)], [z, like x]
struct FusedBatchNorm final : Op {
  BatchNorm norm;
  bool scale = false, shift = false, sum = false, relu = false;

  bool row_wise(int source) const override {
    return norm.row_wise(source) || (sum && source == summand());
  }
  const char* kind() const override { return "fused_batch_norm"; }
  std::vector<Shape> infer(std::span<const Shape> src) const override { return {src[0]}; }
  // One part: x, gamma, beta and z. Whether a sum was positive is seen from y; else from x.
  std::vector<GradientPart> gradient() const override;
  std::vector<int> mutates() const override { return norm.mutates(); }
  Again again() const override { return Again::kWorkspace; }
  bool again_as_a_rule() const override { return true; }
  std::vector<int> reads_again() const override {
    return sum ? std::vector<int>{0, summand()} : std::vector<int>{0};
  }
  std::vector<InPlace> in_place() const override;
  std::vector<InPlace> gradient_in_place(int part) const override;
  std::string describe() const override;

  // Indices of the optional sources.
  int gamma() const { return 4; }
  int beta() const { return scale ? 5 : 4; }
  int summand() const { return 4 + (scale ? 1 : 0) + (shift ? 1 : 0); }
};

// Concat of what ReLUs gave. Its gradients are those of what went into the ReLUs: whether that was
// positive is seen from the result, so that the sources need not be kept for it.
//   dx_i = dy_i where y_i > 0, else negative_slope_i dy_i   (y_i: source i's part of the result)
struct RectifiedConcat final : Op {
  Concat concat;
  std::vector<float> negative_slopes;  // by source, not negative

  bool row_wise(int source) const override { return concat.row_wise(source); }
  const char* kind() const override { return "rectified_concat"; }
  std::vector<Shape> infer(std::span<const Shape> src) const override { return concat.infer(src); }
  std::vector<GradientPart> gradient() const override;
};

// The weights and bias of a convolution after which a batch normalisation with global statistics
// (and its scale) need not be done any more:
//   w' = w a,  b' = (b - mu) a + beta,  a = gamma / sqrt(var + eps), per output channel (axis 0)
//   src  w (K, ...), [b (K)], mean_sum (K), variance_sum (K), factor (1), [gamma (K)], [beta (K)]
//   dst  w', b' (K)
struct FoldBatchNorm final : Op {
  float eps = 1e-5f;
  bool bias = false, scale = false, shift = false;

  const char* kind() const override { return "fold_batch_norm"; }
  std::vector<Shape> infer(std::span<const Shape> src) const override {
    return {src[0], Shape{src[0][0]}};
  }
};

}  // namespace crema::ops
