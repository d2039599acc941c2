// Losses and metrics. A loss's dst 0 is a scalar (0 axes); the gradient is multiplied by the one
// number in diff_dst 0, which holds the loss weight. Facts: layers.md section 6.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "ops/op.hpp"

namespace crema::ops {

// What a loss is divided by; at least 1.
enum class Normalization { kFull, kValid, kBatchSize, kNone };

// -log softmax(x)[label], summed and normalised.
//   src  x, labels with count(0, axis) * count(axis + 1) numbers     dst  loss (), probabilities
// A label outside 0..K-1 that is not ignore_label raises Error{kData} at run time.
struct SoftmaxLoss final : Op {
  int axis = 1;
  std::optional<int> ignore_label;
  Normalization normalization = Normalization::kValid;
  std::string layer;  // for the message

  const char* kind() const override { return "softmax_loss"; }
  std::vector<Shape> infer(std::span<const Shape> src) const override { return {Shape{}, src[0]}; }
  std::vector<GradientPart> gradient() const override { return {{{0}, {1}, {1}}}; }
};

// sum (a - b)^2 / (2 N), N = dim 0.
struct EuclideanLoss final : Op {
  const char* kind() const override { return "euclidean_loss"; }
  std::vector<Shape> infer(std::span<const Shape>) const override { return {Shape{}}; }
  std::vector<GradientPart> gradient() const override {
    return {{{0}, {0, 1}, {}}, {{1}, {0, 1}, {}}};
  }
};

// sum of [max(x, 0) - x t + log(1 + e^-|x|)] over elements with int(t) != ignore_label, normalised.
struct SigmoidCrossEntropyLoss final : Op {
  std::optional<int> ignore_label;
  Normalization normalization = Normalization::kBatchSize;

  const char* kind() const override { return "sigmoid_cross_entropy_loss"; }
  std::vector<Shape> infer(std::span<const Shape>) const override { return {Shape{}}; }
  std::vector<GradientPart> gradient() const override { return {{{0}, {0, 1}, {}}}; }
};

// One against all: m = max(0, 1 - x) of the label's class, max(0, 1 + x) of the others;
// sum m / N, or sum m^2 / N with `squared`.
//   src  x (N, K), labels (N)     dst  loss ()
// Labels of this and the next two losses are checked as those of SoftmaxLoss are.
struct HingeLoss final : Op {
  bool squared = false;
  std::string layer;

  const char* kind() const override { return "hinge_loss"; }
  std::vector<Shape> infer(std::span<const Shape>) const override { return {Shape{}}; }
  std::vector<GradientPart> gradient() const override { return {{{0}, {0, 1}, {}}}; }
};

// -sum of log(max(p[label], 1e-20)) / N.     src  probabilities p (N, K), labels (N)     dst  loss
struct MultinomialLogisticLoss final : Op {
  std::string layer;

  const char* kind() const override { return "multinomial_logistic_loss"; }
  std::vector<Shape> infer(std::span<const Shape>) const override { return {Shape{}}; }
  std::vector<GradientPart> gradient() const override { return {{{0}, {0, 1}, {}}}; }
};

// -sum over k of H[label, k] log(max(softmax(x)[k], 1e-20)), summed and normalised.
//   src  x, labels as in SoftmaxLoss, H (K * K numbers) unless `matrix` holds them
//   dst  loss (), probabilities
struct InfogainLoss final : Op {
  int axis = 1;
  std::optional<int> ignore_label;
  Normalization normalization = Normalization::kValid;
  std::shared_ptr<const std::vector<float>> matrix;  // null: src 2
  std::string layer;

  const char* kind() const override { return "infogain_loss"; }
  std::vector<Shape> infer(std::span<const Shape> src) const override { return {Shape{}, src[0]}; }
  std::vector<GradientPart> gradient() const override;
};

// 1 / (2 N) sum over n of { similar: d^2;  else max(margin - d, 0)^2 },  d = ||a_n - b_n||;
// `legacy` has max(margin - d^2, 0) for dissimilar pairs.
//   src  a, b (N, C), similar (N): 1 or, cut to an integer, anything but 0     dst  loss ()
// Gradient of a dissimilar pair: -(margin - d) / (d + 1e-4) (a - b) / N, as in Caffe.
struct ContrastiveLoss final : Op {
  float margin = 1;
  bool legacy = false;

  const char* kind() const override { return "contrastive_loss"; }
  std::vector<Shape> infer(std::span<const Shape>) const override { return {Shape{}}; }
  std::vector<GradientPart> gradient() const override { return {{{0, 1}, {0, 1, 2}, {}}}; }
};

// Share of positions whose label's score is among the top_k; ties count against it.
//   dst 0 accuracy ();  dst 1 with per_class: accuracy of each class (K), 0 for absent classes
struct Accuracy final : Op {
  int axis = 1;
  int64_t top_k = 1;
  std::optional<int> ignore_label;
  bool per_class = false;
  std::string layer;

  const char* kind() const override { return "accuracy"; }
  std::vector<Shape> infer(std::span<const Shape> src) const override;
  std::vector<int> differentiable_dst() const override { return {}; }
};

}  // namespace crema::ops
