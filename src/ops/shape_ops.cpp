#include "ops/shape_ops.hpp"

#include <numeric>

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

std::vector<Shape> Slice::infer(std::span<const Shape> src) const {
  std::vector<Shape> parts(cuts.size() - 1, src[0]);
  for (size_t i = 0; i < parts.size(); ++i) parts[i][axis] = cuts[i + 1] - cuts[i];
  return parts;
}

std::vector<int> Slice::differentiable_dst() const {
  std::vector<int> all(cuts.size() - 1);
  std::iota(all.begin(), all.end(), 0);
  return all;
}

std::vector<Shape> Gather::infer(std::span<const Shape> src) const {
  Shape y = src[1];
  for (int i = 1; i < src[0].rank(); ++i) y.append(src[0][i]);
  return {y};
}

}  // namespace crema::ops
