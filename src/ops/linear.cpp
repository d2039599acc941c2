#include "ops/linear.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.hpp"

namespace crema::ops {

std::vector<Shape> Convolution::infer(std::span<const Shape> src) const {
  const Shape& x = src[0];
  CREMA_CHECK(x.rank() == static_cast<int>(kernel.size()) + 2, "one kernel size per spatial axis");
  Shape y{x[0], src[1][0]};
  for (size_t i = 0; i < kernel.size(); ++i) {
    const int64_t extent = dilation[i] * (kernel[i] - 1) + 1;
    y.append((x[static_cast<int>(i) + 2] + 2 * pad[i] - extent) / stride[i] + 1);
  }
  return {y};
}

std::vector<GradientPart> Convolution::gradient() const {
  GradientPart weights{{1}, {0}, {}};
  if (bias) weights.wrt.push_back(2);
  return {{{0}, {1}, {}}, weights};
}

double Convolution::flops(std::span<const Shape> src) const {
  const Shape y = infer(src)[0];
  return 2.0 * static_cast<double>(y.count()) * static_cast<double>(src[1].count(1));
}

std::string Convolution::describe() const {
  std::string out = fmt::format("{} stride {} pad {}", fmt::join(kernel, "x"),
                                fmt::join(stride, "x"), fmt::join(pad, "x"));
  for (const int64_t d : dilation)
    if (d != 1)
      return out + fmt::format(" dilation {} groups {}", fmt::join(dilation, "x"), groups);
  return groups == 1 ? out : out + fmt::format(" groups {}", groups);
}

std::vector<Shape> InnerProduct::infer(std::span<const Shape> src) const {
  const Shape& w = src[1];
  CREMA_CHECK(src[0].count(axis) == w[transpose ? 0 : 1], "inner product: K differs");
  Shape y = src[0].slice(0, axis);
  y.append(w[transpose ? 1 : 0]);
  return {y};
}

std::vector<GradientPart> InnerProduct::gradient() const {
  GradientPart weights{{1}, {0}, {}};
  if (bias) weights.wrt.push_back(2);
  return {{{0}, {1}, {}}, weights};
}

double InnerProduct::flops(std::span<const Shape> src) const {
  return 2.0 * static_cast<double>(src[0].count(0, axis)) * static_cast<double>(src[1].count());
}

std::string InnerProduct::describe() const {
  return transpose ? "transposed" : "";
}

}  // namespace crema::ops
