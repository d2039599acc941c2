// Ops that normalise or sum up: batch normalisation, mean and variance, softmax, reduction.
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

  bool row_wise(int source) const override { return source == 0 && use_global; }
  const char* kind() const override { return "batch_norm"; }
  std::vector<Shape> infer(std::span<const Shape> src) const override { return {src[0]}; }
  // Workspace: mu and 1/sqrt(var + eps) of the batch, or those of the global statistics.
  std::vector<GradientPart> gradient() const override;
  std::vector<int> mutates() const override;
  // The statistics of the batch are in the workspace; the running ones are not touched twice.
  Again again() const override { return Again::kWorkspace; }
  std::vector<int> reads_again() const override { return {0}; }
  std::string describe() const override { return use_global ? "global statistics" : ""; }
};

// Mean and variance normalisation: each run of the axes from `axis` on gets mean 0 and, with
// `normalize_variance`, the standard deviation 1.
//   y = (x - mu) / (sqrt(var) + eps), var biased; or y = x - mu
struct Mvn final : Op {
  int axis = 2;
  bool normalize_variance = true;
  float eps = 1e-9f;

  const char* kind() const override { return "mvn"; }
  std::vector<Shape> infer(std::span<const Shape> src) const override { return {src[0]}; }
  // Workspace: 1 / (sqrt(var) + eps) of each run. Caffe's formula, exact for eps = 0:
  // (g - mean(g) - y mean(g y)) / (sqrt(var) + eps).
  std::vector<GradientPart> gradient() const override;
  Again again() const override { return Again::kForward; }
  double again_cost() const override { return 3; }
  std::vector<InPlace> in_place() const override { return {{0, 0}}; }
  std::string describe() const override { return normalize_variance ? "" : "mean only"; }
};

enum class ReductionMethod { kSum, kAbsoluteSum, kSquareSum, kMean };

// All axes from `axis` on to one number: y = coefficient * {sum x | sum |x| | sum x^2 | mean x}.
//   dst  x's axes before `axis`
struct Reduction final : Op {
  ReductionMethod method = ReductionMethod::kSum;
  int axis = 0;  // >= 0
  double coefficient = 1;

  const char* kind() const override { return "reduction"; }
  std::vector<Shape> infer(std::span<const Shape> src) const override {
    return {src[0].slice(0, axis)};
  }
  std::vector<GradientPart> gradient() const override;
  std::string describe() const override;
};

// Softmax along one axis, maximum subtracted first.
struct Softmax final : Op {
  int axis = 1;

  bool row_wise(int) const override { return axis >= 1; }
  const char* kind() const override { return "softmax"; }
  std::vector<Shape> infer(std::span<const Shape> src) const override { return {src[0]}; }
  std::vector<GradientPart> gradient() const override { return {{{0}, {}, {0}}}; }
  Again again() const override { return Again::kForward; }
  double again_cost() const override { return 4; }
  std::vector<InPlace> in_place() const override { return {{0, 0}}; }
};

}  // namespace crema::ops
