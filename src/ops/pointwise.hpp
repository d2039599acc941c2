// Element-wise ops and broadcasts.
#pragma once

#include <functional>

#include "ops/op.hpp"

namespace crema::ops {

// y = f(x), element by element. p, q, r are the function's parameters.
enum class Function {
  kRelu,     // max(x, 0) + p min(x, 0)
  kSigmoid,  // 1 / (1 + e^-x)
  kTanh,
  kPower,  // (r + q x)^p; p q = 0 gives the constant (p = 0 ? 1 : r^p) and no gradient
  kAbs,
  kBnll,       // log(1 + e^x)
  kElu,        // x > 0 ? x : p (e^x - 1)
  kExp,        // q e^(p x)
  kLog,        // p log(r + q x)
  kSwish,      // x / (1 + e^(-p x))
  kClip,       // max(p, min(x, q)); the gradient passes at the bounds too
  kThreshold,  // x > p ? 1 : 0; no gradient
};

struct Unary final : Op {
  Function function = Function::kRelu;
  double p = 0, q = 0, r = 0;

  bool row_wise(int) const override { return true; }
  const char* kind() const override { return "unary"; }
  std::vector<Shape> infer(std::span<const Shape> src) const override { return {src[0]}; }
  // The gradient is computed from y where that is exact (so that x can be overwritten): ReLU with
  // slope >= 0, sigmoid, tanh, ELU with p >= 0, e^x; from x otherwise. gradient_from_dst() says
  // which.
  std::vector<GradientPart> gradient() const override;
  bool gradient_from_dst() const;
  Again again() const override { return Again::kForward; }
  double again_cost() const override;
  std::vector<InPlace> in_place() const override { return {{0, 0}}; }
  std::vector<InPlace> gradient_in_place(int) const override { return {{0, 0}}; }
  std::string describe() const override;
};

// y = x > 0 ? x : slope x, with a slope for each index of axis 1.
//   src  x, slope (C), or a single number
struct PRelu final : Op {
  bool row_wise(int source) const override { return source == 0; }
  const char* kind() const override { return "prelu"; }
  std::vector<Shape> infer(std::span<const Shape> src) const override { return {src[0]}; }
  Again again() const override { return Again::kForward; }
  // One part for both: a gradient kernel passes over x and diff_dst once.
  std::vector<GradientPart> gradient() const override { return {{{0, 1}, {0, 1}, {}}}; }
  std::vector<InPlace> in_place() const override { return {{0, 0}}; }
  std::vector<InPlace> gradient_in_place(int) const override { return {{0, 0}}; }
};

// N-ary element-wise: sum of coefficient_i x_i, product, maximum (first of equals loses against the
// second, later equals lose: layers.md, Eltwise).
enum class EltwiseMethod { kSum, kProduct, kMax };

struct Eltwise final : Op {
  EltwiseMethod method = EltwiseMethod::kSum;
  std::vector<float> coefficients;      // kSum: one per source
  bool stable_product_gradient = true;  // product of the other sources, else y / x_i

  bool row_wise(int) const override { return true; }
  const char* kind() const override { return "eltwise"; }
  std::vector<Shape> infer(std::span<const Shape> src) const override { return {src[0]}; }
  Again again() const override { return Again::kForward; }
  // One part per source. kMax keeps the winners in the workspace. `sources` must be set.
  std::vector<GradientPart> gradient() const override;
  std::vector<InPlace> in_place() const override { return {{0, 0}}; }
  std::vector<InPlace> gradient_in_place(int) const override;
  int sources = 2;
};

// y = x * factor [+ bias] with factor and bias broadcast: they have x's axes
// [axis, axis + rank of factor).
//   src  x, factor, [bias]
struct Scale final : Op {
  int axis = 1;
  bool bias = false;

  bool row_wise(int source) const override { return source == 0 || axis == 0; }
  const char* kind() const override { return "scale"; }
  std::vector<Shape> infer(std::span<const Shape> src) const override { return {src[0]}; }
  Again again() const override { return Again::kForward; }
  // Part 0: x from factor. Part 1: factor from x. Part 2 (with bias): bias, from diff_dst alone.
  std::vector<GradientPart> gradient() const override;
  std::vector<InPlace> in_place() const override { return {{0, 0}}; }
  std::vector<InPlace> gradient_in_place(int part) const override;
};

// y = x + bias, broadcast as in Scale.   src  x, bias
struct Bias final : Op {
  int axis = 1;

  bool row_wise(int source) const override { return source == 0 || axis == 0; }
  const char* kind() const override { return "bias"; }
  std::vector<Shape> infer(std::span<const Shape> src) const override { return {src[0]}; }
  Again again() const override { return Again::kForward; }
  // Part 0: x (a copy of diff_dst). Part 1: bias.
  std::vector<GradientPart> gradient() const override { return {{{0}, {}, {}}, {{1}, {}, {}}}; }
  std::vector<InPlace> in_place() const override { return {{0, 0}}; }
  std::vector<InPlace> gradient_in_place(int part) const override;
};

// y = x * m / (1 - ratio), m drawn from RandomStream("mask/" + stream, pass), by the element's
// row-major number whatever the layout. The workspace holds the mask, unless it is drawn again.
struct Dropout final : Op {
  float ratio = 0.5f;
  std::string stream;

  const char* kind() const override { return "dropout"; }
  std::vector<Shape> infer(std::span<const Shape> src) const override { return {src[0]}; }
  std::vector<GradientPart> gradient() const override { return {{{0}, {}, {}, true}}; }
  Again again() const override { return Again::kForward; }
  double again_cost() const override { return 4; }  // draws the mask
  std::vector<InPlace> in_place() const override { return {{0, 0}}; }
  std::vector<InPlace> gradient_in_place(int) const override { return {{0, 0}}; }
  std::string describe() const override;
};

// y is x, the same memory; dx = factor(iteration) * dy, exactly 0 where the factor is 0.
struct GradientScale final : Op {
  std::function<double(int64_t)> factor;  // of the iteration alone
  std::string text;                       // "0.1"

  bool row_wise(int) const override { return true; }
  const char* kind() const override { return "gradient_scale"; }
  std::vector<Shape> infer(std::span<const Shape> src) const override { return {src[0]}; }
  bool view() const override { return true; }
  bool gradient_view() const override { return false; }
  std::vector<GradientPart> gradient() const override { return {{{0}, {}, {}}}; }
  std::vector<InPlace> gradient_in_place(int) const override { return {{0, 0}}; }
  std::string describe() const override { return "factor " + text; }
};

}  // namespace crema::ops
