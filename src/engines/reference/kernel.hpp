// What the kernel files share: the table they register in, and kernels made of a function.
//
// Every file is one op kind. Results do not depend on the number of threads: each element, or each
// sum, is computed by one thread in a fixed order.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "base/parallel.hpp"
#include "base/registry.hpp"
#include "ops/engine.hpp"

namespace crema::reference {

// Op kind -> what answers a request for it.
struct ReferenceKernelTag {
  using Entry = std::function<ops::Answer(const ops::KernelRequest&)>;
  static constexpr const char* kTable = "reference kernel";
};

// Elements below which a second thread does not pay for its start.
inline constexpr int64_t kGrain = 4096;

// A kernel that is fn(const KernelArgs&).
template <class Fn>
ops::Answer function_offer(const ops::KernelRequest& request, Fn fn, size_t workspace_bytes = 0,
                           size_t scratch_bytes = 0) {
  ops::Offer offer = ops::plain_offer(request, ops::function_kernel(std::move(fn)), "direct");
  offer.workspace_bytes = workspace_bytes;
  offer.scratch_bytes = scratch_bytes;
  return offer;
}

// make(T{}) for the request's type.
template <class Make>
ops::Answer by_type(const ops::KernelRequest& request, Make&& make) {
  switch (request.dtype) {
    case DType::kF32:
      return make(float{});
    case DType::kF64:
      return make(double{});
    case DType::kBf16:
      break;
  }
  return ops::Refusal{std::string("no ") + name_of(request.dtype) + ", only f32 and f64"};
}

// The descriptor; kernels keep a copy, so that it need not outlive them.
template <class OpType>
const OpType& op_of(const ops::KernelRequest& request) {
  return dynamic_cast<const OpType&>(*request.op);
}

// Operands as elements of T; null where the operand is absent.
template <class T>
const T* src(const ops::KernelArgs& args, size_t i) {
  return static_cast<const T*>(args.src[i]);
}
template <class T>
T* dst(const ops::KernelArgs& args, size_t i) {
  return static_cast<T*>(args.dst[i]);
}
template <class T>
const T* diff_dst(const ops::KernelArgs& args, size_t i) {
  return static_cast<const T*>(args.diff_dst[i]);
}
template <class T>
T* diff_src(const ops::KernelArgs& args, size_t i) {
  return static_cast<T*>(args.diff_src[i]);
}

// A shape seen from one axis, or a range of axes: elements before, in, and after it.
struct Split {
  int64_t outer = 1, middle = 1, inner = 1;
  Split(const Shape& shape, int begin, int end)
      : outer(shape.count(0, begin)), middle(shape.count(begin, end)), inner(shape.count(end)) {}
  int64_t count() const { return outer * middle * inner; }
};

// fn(i) for i in [0, n), on several threads if all of it is worth that; `cost` is the number of
// elementary steps in one fn(i).
template <class Fn>
void parallel_each(int64_t n, int64_t cost, Fn&& fn) {
  const int64_t grain = std::max<int64_t>(1, kGrain / std::max<int64_t>(1, cost));
  parallel_for(n, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) fn(i);
  });
}

// Sums by chunk: the chunks do not depend on the number of threads, nor does the result.
inline constexpr int64_t kChunk = 4096;
inline int64_t chunks_of(int64_t n) {
  return (n + kChunk - 1) / kChunk;
}
inline size_t chunk_scratch(int64_t n) {
  return static_cast<size_t>(chunks_of(n)) * sizeof(double);
}
// Sum of fn(begin, end) -> double over chunks of [0, n); scratch of chunk_scratch(n) bytes.
template <class Fn>
double chunked_sum(int64_t n, void* scratch, Fn&& fn) {
  double* partial = static_cast<double*>(scratch);
  parallel_for(chunks_of(n), 1, [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c)
      partial[c] = fn(c * kChunk, std::min(n, (c + 1) * kChunk));
  });
  double sum = 0;
  for (int64_t c = 0; c < chunks_of(n); ++c) sum += partial[c];
  return sum;
}

}  // namespace crema::reference
