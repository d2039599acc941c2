// Ops that normalise: batch normalisation, softmax.
#pragma once

#include "ops/op.hpp"

namespace crema::ops {

// Batch normalisation over all axes but 1, without learned scale or shift (Caffe's form).
//   src  x (N, C, ...), mean_sum (C), variance_sum (C), factor (1)     dst  y
//   batch statistics: y = (x - mu) / sqrt(var + eps), var biased; then
//     factor = f factor + 1, mean_sum = f mean_sum + mu, variance_sum = f variance_sum + var
//     m/(m-1)
//   use_global: mu = mean_sum / factor, var = variance_sum / factor (0 where factor is 0)
struct BatchNorm final : Op {
  float eps = 1e-5f;
  float fraction = 0.999f;  // f
  bool use_global = false;

  const char* kind() const override { return "batch_norm"; }
  std::vector<Shape> infer(std::span<const Shape> src) const override { return {src[0]}; }
  // Workspace: mu and 1/sqrt(var + eps) of the batch, or those of the global statistics.
  std::vector<GradientPart> gradient() const override;
  std::vector<int> mutates() const override;
  std::string describe() const override { return use_global ? "global statistics" : ""; }
};

// Softmax along one axis, maximum subtracted first.
struct Softmax final : Op {
  int axis = 1;

  const char* kind() const override { return "softmax"; }
  std::vector<Shape> infer(std::span<const Shape> src) const override { return {src[0]}; }
  std::vector<GradientPart> gradient() const override { return {{{0}, {}, {0}}}; }
  std::vector<InPlace> in_place() const override { return {{0, 0}}; }
};

}  // namespace crema::ops
