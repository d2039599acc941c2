#include "base/simd.hpp"

#include <algorithm>
#include <atomic>

namespace crema::simd {
namespace {

Isa best() {
#if defined(__x86_64__) && defined(__GNUC__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    return Isa::kAvx512;
  if (avx2) return Isa::kAvx2;
#endif
  return Isa::kBaseline;
}

std::atomic<Isa> limit{Isa::kAvx512};

}  // namespace

Isa isa() {
  static const Isa here = best();
  return std::min(here, limit.load(std::memory_order_relaxed));
}

void limit_isa(Isa most) {
  limit = most;
}

}  // namespace crema::simd
