#include "optim/norm.hpp"

namespace crema::optim {

double sum_of_squares(std::span<const float> values) {
  constexpr size_t kLanes = 8;  // independent sums, in an order that vector code can keep
  double lanes[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= values.size(); i += kLanes)
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const double x = values[i + lane];
      lanes[lane] += x * x;
    }
  double sum = 0;
  for (; i < values.size(); ++i) sum += static_cast<double>(values[i]) * values[i];
  for (const double lane : lanes) sum += lane;
  return sum;
}

double norm(std::span<const float> values) {
  return std::sqrt(
      sum_over_blocks(static_cast<int64_t>(values.size()), [&](int64_t begin, int64_t end) {
        return sum_of_squares(
            values.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin)));
      }));
}

}  // namespace crema::optim
