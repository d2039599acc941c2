// Softmax along the middle axis, shared by softmax and softmax_loss.
#pragma once

#include "engines/reference/kernel.hpp"

namespace crema::reference {

// Positions of the inner axis worked on at a time, so that memory is walked along rows.
inline constexpr int64_t kSoftmaxColumns = 64;

// fn(offset, count): offset of the element at middle index 0 of `count` neighbouring positions.
template <class Fn>
void for_each_columns(const Split& s, Fn&& fn) {
  const int64_t blocks = (s.inner + kSoftmaxColumns - 1) / kSoftmaxColumns;
  // An exponential is worth some ten elementary steps.
  const int64_t cost = 10 * s.middle * std::min(s.inner, kSoftmaxColumns);
  parallel_each(s.outer * blocks, cost, [&](int64_t task) {
    const int64_t first = task % blocks * kSoftmaxColumns;
    fn(task / blocks * s.middle * s.inner + first, std::min(kSoftmaxColumns, s.inner - first));
  });
}

// y = softmax of x, the maximum subtracted first; y may be x.
template <class T>
void softmax(const Split& s, const T* x, T* y) {
  if (s.middle == 0) return;
  for_each_columns(s, [&](int64_t base, int64_t count) {
    T largest[kSoftmaxColumns];
    double sum[kSoftmaxColumns] = {};
    std::copy_n(x + base, count, largest);
    for (int64_t k = 1; k < s.middle; ++k)
      for (int64_t i = 0; i < count; ++i)
        largest[i] = std::max(largest[i], x[base + k * s.inner + i]);
    for (int64_t k = 0; k < s.middle; ++k)
      for (int64_t i = 0; i < count; ++i) {
        const int64_t at = base + k * s.inner + i;
        y[at] = std::exp(x[at] - largest[i]);
        sum[i] += y[at];
      }
    for (int64_t k = 0; k < s.middle; ++k)
      for (int64_t i = 0; i < count; ++i)
        y[base + k * s.inner + i] = static_cast<T>(y[base + k * s.inner + i] / sum[i]);
  });
}

}  // namespace crema::reference
