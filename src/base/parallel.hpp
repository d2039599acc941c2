// The one pool of compute threads: OpenMP's, shared with oneDNN and OpenBLAS.
#pragma once

#include <omp.h>

#include <algorithm>
#include <cstdint>

namespace crema {

// Sets the number of compute threads (0: what OMP_NUM_THREADS or the processor says) and makes
// every one of them flush denormals to zero: a denormal input slows a convolution 200 times.
void start_compute_threads(int threads);
int compute_threads();

// Splits [0, n) into one contiguous range per thread, none shorter than `grain` elements, and calls
// fn(begin, end) for each. The split depends only on n, grain and the number of threads.
template <class Fn>
void parallel_for(int64_t n, int64_t grain, Fn&& fn) {
  const int64_t useful = grain > 0 ? std::max<int64_t>(1, n / grain) : n;
  const int parts = static_cast<int>(std::min<int64_t>(useful, compute_threads()));
  if (parts <= 1) {
    if (n > 0) fn(int64_t{0}, n);
    return;
  }
#pragma omp parallel num_threads(parts)
  {
    const int64_t part = omp_get_thread_num(), count = omp_get_num_threads();
    const int64_t begin = n * part / count, end = n * (part + 1) / count;
    if (begin < end) fn(begin, end);
  }
}

}  // namespace crema
