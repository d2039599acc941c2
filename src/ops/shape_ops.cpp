#include "ops/shape_ops.hpp"

namespace crema::ops {

std::vector<Shape> Concat::infer(std::span<const Shape> src) const {
  Shape y = src[0];
  for (size_t i = 1; i < src.size(); ++i) y[axis] += src[i][axis];
  return {y};
}

std::vector<GradientPart> Concat::gradient() const {
  std::vector<GradientPart> parts;
  for (int i = 0; i < sources; ++i) parts.push_back({{i}, {}, {}});
  return parts;
}

std::vector<Shape> Gather::infer(std::span<const Shape> src) const {
  Shape y = src[1];
  for (int i = 1; i < src[0].rank(); ++i) y.append(src[0][i]);
  return {y};
}

}  // namespace crema::ops
