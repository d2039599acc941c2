// Sums over flat memory whose value does not depend on the number of threads.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "base/parallel.hpp"

namespace crema::optim {

// Elements per partial sum. Fixed, so that the sum does not depend on the number of threads.
inline constexpr int64_t kNormBlock = 16384;

// The sum of part(begin, end) over [0, n) in blocks of kNormBlock; the blocks are computed in
// parallel and added in order.
template <class Part>
double sum_over_blocks(int64_t n, const Part& part) {
  const int64_t blocks = (n + kNormBlock - 1) / kNormBlock;
  std::vector<double> parts(static_cast<size_t>(blocks));
  parallel_for(blocks, 2, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b)
      parts[static_cast<size_t>(b)] = part(b * kNormBlock, std::min(n, (b + 1) * kNormBlock));
  });
  double sum = 0;
  for (const double x : parts) sum += x;
  return sum;
}

// Of one block, in one thread.
double sum_of_squares(std::span<const float> values);

// L2 norm.
double norm(std::span<const float> values);

}  // namespace crema::optim
