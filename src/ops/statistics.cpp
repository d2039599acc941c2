#include "ops/statistics.hpp"

namespace crema::ops {

std::vector<GradientPart> BatchNorm::gradient() const {
  if (use_global) return {{{0}, {}, {}, true}};
  return {{{0}, {0}, {}, true}};
}

std::vector<int> BatchNorm::mutates() const {
  if (use_global) return {};
  return {1, 2, 3};
}

}  // namespace crema::ops
