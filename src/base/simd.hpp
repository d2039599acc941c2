// Own loops compiled for several instruction sets, the best of which is picked at run time: one
// binary runs from plain x86-64 up, and on Arm64.
//
//   simd::run([&] { ... });    // the body, and all it calls, compiled for this processor
//
// Inside, Vector<L> is L floats; GCC maps it to the registers there are.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

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

// fn(i, lanes) for n elements, kLanes at a time: lanes is a constant but for the last.
template <int kLanes, class Fn>
inline void in_vectors(int64_t n, const Fn& fn) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) fn(i, std::integral_constant<int, kLanes>());
  if (i < n) fn(i, n - i);
}

// A float's upper half.
struct Bf16 {
  uint16_t bits;
};
inline float to_float(float x) {
  return x;
}
inline float to_float(Bf16 x) {
  const uint32_t bits = uint32_t{x.bits} << 16;
  float out;
  std::memcpy(&out, &bits, sizeof(out));
  return out;
}
inline void from_float(float x, float& to) {
  to = x;
}
// To the nearest, ties to even; a NaN stays one.
inline void from_float(float x, Bf16& to) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  const uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  to.bits = static_cast<uint16_t>(x != x ? bits >> 16 | 0x40 : rounded);
}

// The same for a vector, in memory as Bf16.
template <int kLanes>
struct Bf16VectorOf {
  typedef uint16_t half __attribute__((vector_size(kLanes * sizeof(uint16_t))));
  typedef uint32_t whole __attribute__((vector_size(kLanes * sizeof(uint32_t))));
};
template <int kLanes, class N>
inline void load(Vector<kLanes>& to, const Bf16* from, N n) {
  using Whole = typename Bf16VectorOf<kLanes>::whole;
  typename Bf16VectorOf<kLanes>::half half{};
  std::memcpy(&half, from, static_cast<size_t>(n) * sizeof(Bf16));
  const Whole bits = __builtin_convertvector(half, Whole) << 16;
  to = (Vector<kLanes>)bits;
}
template <int kLanes, class N>
inline void store(Bf16* to, const Vector<kLanes>& from, N n) {
  using Half = typename Bf16VectorOf<kLanes>::half;
  using Whole = typename Bf16VectorOf<kLanes>::whole;
  const Whole bits = (Whole)from;
  const Whole rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  const Half half = __builtin_convertvector(from != from ? bits >> 16 | 0x40 : rounded, Half);
  std::memcpy(to, &half, static_cast<size_t>(n) * sizeof(Bf16));
}

}  // namespace crema::simd
