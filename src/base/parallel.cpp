#include "base/parallel.hpp"

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

namespace crema {

static void flush_denormals() {
#if defined(__SSE__)
  constexpr unsigned kFlushToZero = 0x8000, kDenormalsAreZero = 0x0040;
  _mm_setcsr(_mm_getcsr() | kFlushToZero | kDenormalsAreZero);
#elif defined(__aarch64__)
  uint64_t control = 0;
  asm volatile("mrs %0, fpcr" : "=r"(control));
  asm volatile("msr fpcr, %0" : : "r"(control | (uint64_t{1} << 24)));
#endif
}

void start_compute_threads(int threads) {
  if (threads > 0) omp_set_num_threads(threads);
#pragma omp parallel
  flush_denormals();
}

int compute_threads() {
  return omp_get_max_threads();
}

}  // namespace crema
