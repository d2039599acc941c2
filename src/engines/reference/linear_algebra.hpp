// Sums over rows and broadcasts, used by several kernels.
#pragma once

#include "engines/reference/kernel.hpp"

namespace crema::reference {

// <a, b>; the order of the additions depends on n alone.
template <class T>
T dot(const T* a, const T* b, int64_t n) {
  T sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

// y += factor x. The pointers must not overlap.
template <class T>
void add_scaled(T* __restrict y, T factor, const T* __restrict x, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] += factor * x[i];
}

// Sum of a (times b unless b is null), in double.
template <class T>
double sum_row(const T* a, const T* b, int64_t n) {
  double sum = 0;
  if (b != nullptr) {
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(a[i]) * b[i];
  } else {
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; ++i) sum += a[i];
  }
  return sum;
}

// out[j] = sum over the outer and inner axes of g (times x unless x is null), in double.
template <class T>
void sum_outside(const Split& split, const T* g, const T* x, T* out) {
  constexpr int64_t kBlock = 16;  // neighbours in memory where inner is 1
  const int64_t blocks = (split.middle + kBlock - 1) / kBlock;
  parallel_each(blocks, kBlock * split.outer * split.inner, [&](int64_t block) {
    const int64_t first = block * kBlock, count = std::min(kBlock, split.middle - first);
    double sum[kBlock] = {};
    for (int64_t o = 0; o < split.outer; ++o)
      for (int64_t j = 0; j < count; ++j) {
        const int64_t at = (o * split.middle + first + j) * split.inner;
        sum[j] += sum_row(g + at, x != nullptr ? x + at : nullptr, split.inner);
      }
    for (int64_t j = 0; j < count; ++j) out[first + j] = static_cast<T>(sum[j]);
  });
}

// Splits all elements into runs for a broadcast along the outer and inner axes and calls
// fn(begin, end, j, constant): elements [begin, end) belong to middle index j if `constant`, else
// to j, j + 1, ...
template <class Fn>
void for_each_run(const Split& s, Fn&& fn) {
  const bool constant = s.inner > 1 || s.middle == 1;
  const int64_t length = constant ? s.inner * (s.middle == 1 ? s.outer : 1) : s.middle;
  parallel_for(s.count(), kGrain, [&](int64_t begin, int64_t end) {
    while (begin < end) {
      const int64_t run = begin / length, next = std::min(end, (run + 1) * length);
      fn(begin, next, constant ? run % s.middle : begin % length, constant);
      begin = next;
    }
  });
}

}  // namespace crema::reference
