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

std::vector<GradientPart> Mvn::gradient() const {
  if (!normalize_variance) return {{{0}, {}, {}}};
  return {{{0}, {}, {0}, true}};
}

std::vector<GradientPart> Reduction::gradient() const {
  const bool linear = method == ReductionMethod::kSum || method == ReductionMethod::kMean;
  if (linear) return {{{0}, {}, {}}};
  return {{{0}, {0}, {}}};
}

std::string Reduction::describe() const {
  switch (method) {
    case ReductionMethod::kSum:
      return "sum";
    case ReductionMethod::kAbsoluteSum:
      return "sum of |x|";
    case ReductionMethod::kSquareSum:
      return "sum of squares";
    case ReductionMethod::kMean:
      return "mean";
  }
  return {};
}

}  // namespace crema::ops
