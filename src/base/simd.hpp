// Own loops compiled for several instruction sets, the best of which is picked at run time: one
// binary runs from plain x86-64 up, and on Arm64.
//
//   simd::run([&] { ... });    // the body, and all it calls, compiled for this processor
//
// Inside, Vector<L> is L floats; GCC maps it to the registers there are.
#pragma once

#include <cstdint>
#include <cstring>

namespace crema::simd {

enum class Isa { kBaseline, kAvx2, kAvx512 };

// What run() uses: the best that processor and operating system have.
Isa isa();
// Tests run the lesser paths with it.
void limit_isa(Isa most);

#if defined(__x86_64__) && defined(__GNUC__)
// `flatten` inlines what the body calls; a callee for the baseline may be inlined into a caller for
// more, and is compiled for that there.
template <class Fn>
__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"), flatten)) void run_avx512(
    const Fn& fn) {
  fn();
}
template <class Fn>
__attribute__((target("avx2,fma"), flatten)) void run_avx2(const Fn& fn) {
  fn();
}
template <class Fn>
void run(const Fn& fn) {
  switch (isa()) {
    case Isa::kAvx512:
      return run_avx512(fn);
    case Isa::kAvx2:
      return run_avx2(fn);
    case Isa::kBaseline:
      return fn();
  }
}
#else
template <class Fn>
void run(const Fn& fn) {
  fn();
}
#endif

template <int kLanes>
struct VectorOf {
  typedef float type __attribute__((vector_size(kLanes * sizeof(float))));
};
template <int kLanes>
using Vector = typename VectorOf<kLanes>::type;

// The first n floats, the rest zero; n is an integer or a std::integral_constant (then one
// instruction).
template <int kLanes, class N>
inline void load(Vector<kLanes>& to, const float* from, N n) {
  to = Vector<kLanes>{};
  std::memcpy(&to, from, static_cast<size_t>(n) * sizeof(float));
}
template <int kLanes, class N>
inline void store(float* to, const Vector<kLanes>& from, N n) {
  std::memcpy(to, &from, static_cast<size_t>(n) * sizeof(float));
}

}  // namespace crema::simd
