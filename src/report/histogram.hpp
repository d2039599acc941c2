// The distribution of an array's numbers, as TensorBoard and the events file show it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace crema::report {

// Bucket i counts the numbers in [limits[i - 1], limits[i]); the first one has no lower end. A
// positive bucket holds the floats that share their exponent and the first three bits behind the
// point, a width of 1/16 to 1/8 of the numbers themselves; negative ones mirror them. Buckets
// without numbers stand only where they separate others.
struct Histogram {
  double min = 0, max = 0, sum = 0, sum_squares = 0;  // of the finite numbers
  int64_t count = 0;                                  // finite numbers
  int64_t non_finite = 0;
  std::vector<double> limits;
  std::vector<int64_t> counts;
};

Histogram histogram_of(std::span<const float> values);

}  // namespace crema::report
