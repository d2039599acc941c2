#include "ops/spatial.hpp"

#include <fmt/format.h>

namespace crema::ops {

std::vector<Shape> Pooling::infer(std::span<const Shape> src) const {
  const Shape y{src[0][0], src[0][1], out_h, out_w};
  if (mask) return {y, y};
  return {y};
}

std::vector<GradientPart> Pooling::gradient() const {
  return {{{0}, {}, {}, method == PoolMethod::kMax}};
}

std::string Pooling::describe() const {
  return fmt::format("{} {}x{} stride {}x{} pad {}x{}",
                     method == PoolMethod::kMax ? "max" : "average", kernel_h, kernel_w, stride_h,
                     stride_w, pad_h, pad_w);
}

std::string Lrn::describe() const {
  return fmt::format("{} {}", within_channel ? "within channel" : "across channels", size);
}

}  // namespace crema::ops
