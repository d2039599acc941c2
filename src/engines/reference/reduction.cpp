#include "engines/reference/kernel.hpp"
#include "ops/statistics.hpp"

namespace crema::reference {
namespace {

using ops::ReductionMethod;

struct Geometry {
  ops::Reduction op;
  int64_t rows, length;

  int64_t chunks() const { return chunks_of(length); }  // of a row
  double factor() const {
    if (op.method != ReductionMethod::kMean) return op.coefficient;
    return op.coefficient / static_cast<double>(std::max<int64_t>(1, length));
  }
};

template <class T>
double sum(ReductionMethod method, const T* x, int64_t n) {
  double total = 0;
  switch (method) {
    case ReductionMethod::kSum:
    case ReductionMethod::kMean:
#pragma omp simd reduction(+ : total)
      for (int64_t i = 0; i < n; ++i) total += static_cast<double>(x[i]);
      break;
    case ReductionMethod::kAbsoluteSum:
#pragma omp simd reduction(+ : total)
      for (int64_t i = 0; i < n; ++i) total += static_cast<double>(std::abs(x[i]));
      break;
    case ReductionMethod::kSquareSum:
#pragma omp simd reduction(+ : total)
      for (int64_t i = 0; i < n; ++i) total += static_cast<double>(x[i]) * x[i];
      break;
  }
  return total;
}

// Scratch: the sum of each chunk of each row.
template <class T>
void forward(const Geometry& g, const ops::KernelArgs& args) {
  double* partial = static_cast<double*>(args.scratch);
  const int64_t chunks = g.chunks();
  parallel_each(g.rows * chunks, std::min(g.length, kChunk), [&](int64_t task) {
    const int64_t first = task % chunks * kChunk;
    partial[task] = sum(g.op.method, src<T>(args, 0) + task / chunks * g.length + first,
                        std::min(kChunk, g.length - first));
  });
  for (int64_t row = 0; row < g.rows; ++row) {
    double total = 0;
    for (int64_t c = 0; c < chunks; ++c) total += partial[row * chunks + c];
    dst<T>(args, 0)[row] = static_cast<T>(total * g.factor());
  }
}

template <class T>
T slope(ReductionMethod method, T factor, const T* x, int64_t i) {
  switch (method) {
    case ReductionMethod::kSum:
    case ReductionMethod::kMean:
      return factor;
    case ReductionMethod::kAbsoluteSum:
      return x[i] > 0 ? factor : x[i] < 0 ? -factor : T(0);
    case ReductionMethod::kSquareSum:
      return 2 * factor * x[i];
  }
  return T(0);
}

template <class T>
void gradient(const Geometry& g, const ops::KernelArgs& args) {
  const T *x = src<T>(args, 0), *dy = diff_dst<T>(args, 0);
  T* dx = diff_src<T>(args, 0);
  const T factor = static_cast<T>(g.factor());
  parallel_for(g.rows * g.length, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      dx[i] = dy[i / g.length] * slope(g.op.method, factor, x, i);
  });
}

ops::Answer make(const ops::KernelRequest& request) {
  const auto& op = op_of<ops::Reduction>(request);
  const Shape& x = request.src[0].shape;
  const Geometry g{op, x.count(0, op.axis), x.count(op.axis)};
  return by_type(request, [&](auto type) {
    using T = decltype(type);
    if (request.part != ops::kForward)
      return function_offer(request, [g](const auto& args) { gradient<T>(g, args); });
    return function_offer(
        request, [g](const auto& args) { forward<T>(g, args); }, 0,
        static_cast<size_t>(g.rows * g.chunks()) * sizeof(double));
  });
}

CREMA_REGISTER(ReferenceKernelTag, "reduction", make);

}  // namespace
}  // namespace crema::reference
