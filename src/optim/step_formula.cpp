#include "optim/step_formula.hpp"

#include <algorithm>
#include <cmath>

namespace crema::optim {

double StepFacts::bare(size_t i) const {
  const double g = gradient_scale * gradient[i];
  return clip_value > 0 ? after_clip * std::clamp(g, -clip_value, clip_value) : g;
}

double StepFacts::decayed(size_t i) const {
  const double w = value[i];
  return bare(i) + l2 * w + l1 * static_cast<double>((w > 0) - (w < 0));
}

double length_of(std::span<const float> values) {
  constexpr size_t kLanes = 8;  // sums that do not wait for each other
  double lanes[kLanes] = {};
  const size_t whole = values.size() / kLanes * kLanes;
  for (size_t i = 0; i < whole; i += kLanes)
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const double x = values[i + lane];
      lanes[lane] += x * x;
    }
  double sum = 0;
  for (size_t i = whole; i < values.size(); ++i) sum += static_cast<double>(values[i]) * values[i];
  for (const double lane : lanes) sum += lane;
  return std::sqrt(sum);
}

}  // namespace crema::optim
