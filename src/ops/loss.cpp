#include "ops/loss.hpp"

namespace crema::ops {

std::vector<GradientPart> InfogainLoss::gradient() const {
  GradientPart part{{0}, {1}, {1}};
  if (matrix == nullptr) part.reads_src.push_back(2);
  return {part};
}

std::vector<Shape> Accuracy::infer(std::span<const Shape> src) const {
  if (per_class) return {Shape{}, Shape{src[0][axis]}};
  return {Shape{}};
}

}  // namespace crema::ops
