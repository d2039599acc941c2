#include "ops/loss.hpp"

namespace crema::ops {

std::vector<Shape> Accuracy::infer(std::span<const Shape> src) const {
  if (per_class) return {Shape{}, Shape{src[0][axis]}};
  return {Shape{}};
}

}  // namespace crema::ops
