#include "ops/spatial.hpp"

#include <fmt/format.h>

namespace crema::ops {

std::vector<Shape> Pooling::infer(std::span<const Shape> src) const {
  const Shape y{src[0][0], src[0][1], out_h, out_w};
  if (mask) return {y, y};
  return {y};
}

std::vector<GradientPart> Pooling::gradient() const {
  switch (method) {
    case PoolMethod::kMax:
    case PoolMethod::kStochastic:
      return {{{0}, {}, {}, true}};
    case PoolMethod::kAverage:
      return {{{0}, {}, {}}};
    case PoolMethod::kWeighted:
      return {{{0}, {0}, {}}};
  }
  return {};
}

std::string Pooling::describe() const {
  static constexpr const char* kNames[] = {"max", "average", "stochastic", "weighted average"};
  return fmt::format("{} {}x{} stride {}x{} pad {}x{}", kNames[static_cast<int>(method)], kernel_h,
                     kernel_w, stride_h, stride_w, pad_h, pad_w);
}

std::vector<Shape> Im2Col::infer(std::span<const Shape> src) const {
  const Shape& x = src[0];
  Shape y{x[0], x[1] * Shape(kernel).count()};
  for (size_t i = 0; i < kernel.size(); ++i) y.append(places(i, x[static_cast<int>(i) + 2]));
  return {y};
}

std::string Lrn::describe() const {
  return fmt::format("{} {}", within_channel ? "within channel" : "across channels", size);
}

}  // namespace crema::ops
