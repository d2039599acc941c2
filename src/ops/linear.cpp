#include "ops/linear.hpp"

#include <fmt/format.h>

#include "base/error.hpp"

namespace crema::ops {

namespace {

// Part 0: x from the weights. Part 1: weights and bias from x.
std::vector<GradientPart> linear_gradient(bool bias) {
  GradientPart weights{{1}, {0}, {}};
  if (bias) weights.wrt.push_back(2);
  return {{{0}, {1}, {}}, weights};
}

std::string with_groups(const Windows& windows, int64_t groups) {
  return groups == 1 ? windows.text() : fmt::format("{} groups {}", windows.text(), groups);
}

}  // namespace

std::vector<Shape> Convolution::infer(std::span<const Shape> src) const {
  const Shape& x = src[0];
  CREMA_CHECK(x.rank() == static_cast<int>(kernel.size()) + 2, "one kernel size per spatial axis");
  Shape y{x[0], src[1][0]};
  for (size_t i = 0; i < kernel.size(); ++i) y.append(places(i, x[static_cast<int>(i) + 2]));
  return {y};
}

std::vector<GradientPart> Convolution::gradient() const {
  return linear_gradient(bias);
}

double Convolution::flops(std::span<const Shape> src) const {
  const Shape y = infer(src)[0];
  return 2.0 * static_cast<double>(y.count()) * static_cast<double>(src[1].count(1));
}

std::string Convolution::describe() const {
  return with_groups(*this, groups);
}

std::vector<Shape> Deconvolution::infer(std::span<const Shape> src) const {
  const Shape& x = src[0];
  CREMA_CHECK(x.rank() == static_cast<int>(kernel.size()) + 2, "one kernel size per spatial axis");
  Shape y{x[0], src[1][1] * groups};
  for (size_t i = 0; i < kernel.size(); ++i) y.append(cells(i, x[static_cast<int>(i) + 2]));
  return {y};
}

std::vector<GradientPart> Deconvolution::gradient() const {
  return linear_gradient(bias);
}

double Deconvolution::flops(std::span<const Shape> src) const {
  return 2.0 * static_cast<double>(src[0].count()) * static_cast<double>(src[1].count(1));
}

std::string Deconvolution::describe() const {
  return with_groups(*this, groups);
}

std::vector<Shape> InnerProduct::infer(std::span<const Shape> src) const {
  const Shape& w = src[1];
  CREMA_CHECK(src[0].count(axis) == w[transpose ? 0 : 1], "inner product: K differs");
  Shape y = src[0].slice(0, axis);
  y.append(w[transpose ? 1 : 0]);
  return {y};
}

std::vector<GradientPart> InnerProduct::gradient() const {
  return linear_gradient(bias);
}

double InnerProduct::flops(std::span<const Shape> src) const {
  return 2.0 * static_cast<double>(src[0].count(0, axis)) * static_cast<double>(src[1].count());
}

std::string InnerProduct::describe() const {
  return transpose ? "transposed" : "";
}

double WeightGradientSum::flops(std::span<const Shape> src) const {
  int64_t rows = 0;
  for (const OuterProduct& product : outer_products(*this, src)) rows += product.rows;
  return 2.0 * static_cast<double>(rows) * static_cast<double>(weight.count());
}

std::string WeightGradientSum::describe() const {
  return transpose ? "transposed" : "";
}

std::vector<OuterProduct> outer_products(const WeightGradientSum& op, std::span<const Shape> src) {
  std::vector<OuterProduct> out;
  for (size_t i = 0; i + 1 < src.size(); i += 2)
    out.push_back({op.transpose ? i : i + 1, op.transpose ? i + 1 : i, src[i].count(0, op.axis)});
  return out;
}

}  // namespace crema::ops
