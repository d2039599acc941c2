#include "engines/reference/linear_algebra.hpp"
#include "ops/pointwise.hpp"

namespace crema::reference {
namespace {

// outer x channels x inner; with a single slope every element is an item of one channel.
Split split_of(const ops::KernelRequest& request) {
  const Shape& x = request.src[0].shape;
  if (request.src[1].shape.count() == 1) return Split(Shape{x.count()}, 1, 1);
  return Split(x, 1, 2);
}

template <class T>
void forward(const Split& s, const ops::KernelArgs& args) {
  const T *x = src<T>(args, 0), *slope = src<T>(args, 1);
  T* y = dst<T>(args, 0);
  for_each_run(s, [&](int64_t begin, int64_t end, int64_t j, bool constant) {
    if (constant)
      for (int64_t i = begin; i < end; ++i) y[i] = x[i] > 0 ? x[i] : slope[j] * x[i];
    else
      for (int64_t i = begin; i < end; ++i) y[i] = x[i] > 0 ? x[i] : slope[j + i - begin] * x[i];
  });
}

// dx may be dy. Returns the sum of dy x where x <= 0.
template <class T>
double run_gradient(const T* x, const T* dy, T slope, T* dx, int64_t n) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) {
    sum += x[i] > 0 ? 0.0 : static_cast<double>(dy[i]) * static_cast<double>(x[i]);
    if (dx != nullptr) dx[i] = x[i] > 0 ? dy[i] : slope * dy[i];
  }
  return sum;
}

// Tasks are blocks of channels, and chunks of the rest: scratch has the sum of each.
struct Tasks {
  static constexpr int64_t kBlock = 16;
  int64_t blocks, chunks, rows;  // rows: items of the outer axis in a chunk

  explicit Tasks(const Split& s) {
    blocks = (s.middle + kBlock - 1) / kBlock;
    rows = std::max<int64_t>(1, kChunk / std::max<int64_t>(1, s.inner));
    chunks = (s.outer + rows - 1) / rows;
  }
};

template <class T>
void gradient(const Split& s, const ops::KernelArgs& args) {
  const Tasks tasks(s);
  const T *x = src<T>(args, 0), *slope = src<T>(args, 1), *dy = diff_dst<T>(args, 0);
  T* dx = diff_src<T>(args, 0);
  double* sums = static_cast<double*>(args.scratch);  // [chunks][channels]
  const int64_t cost = 4 * tasks.rows * std::min(s.middle, Tasks::kBlock) * s.inner;
  parallel_each(tasks.blocks * tasks.chunks, cost, [&](int64_t task) {
    const int64_t chunk = task / tasks.blocks, first = task % tasks.blocks * Tasks::kBlock;
    const int64_t last = std::min(s.middle, first + Tasks::kBlock);
    double* sum = sums + chunk * s.middle;
    std::fill(sum + first, sum + last, 0.0);
    const int64_t end = std::min(s.outer, (chunk + 1) * tasks.rows);
    const auto run = [&](int64_t c, int64_t at, int64_t n) {
      sum[c] += run_gradient(x + at, dy + at, slope[c], dx == nullptr ? dx : dx + at, n);
    };
    const int64_t begin = chunk * tasks.rows;
    if (s.middle == 1) return run(0, begin * s.inner, (end - begin) * s.inner);
    for (int64_t o = begin; o < end; ++o)
      for (int64_t c = first; c < last; ++c) run(c, (o * s.middle + c) * s.inner, s.inner);
  });
  if (T* da = diff_src<T>(args, 1))
    for (int64_t c = 0; c < s.middle; ++c) {
      double total = 0;
      for (int64_t chunk = 0; chunk < tasks.chunks; ++chunk) total += sums[chunk * s.middle + c];
      da[c] = static_cast<T>(total);
    }
}

ops::Answer make(const ops::KernelRequest& request) {
  const Split s = split_of(request);
  CREMA_CHECK(s.middle == request.src[1].shape.count(), "prelu: one slope per channel");
  return by_type(request, [&](auto type) {
    using T = decltype(type);
    if (request.part == ops::kForward)
      return function_offer(request, [s](const auto& args) { forward<T>(s, args); });
    return function_offer(
        request, [s](const auto& args) { gradient<T>(s, args); }, 0,
        static_cast<size_t>(Tasks(s).chunks * s.middle) * sizeof(double));
  });
}

CREMA_REGISTER(ReferenceKernelTag, "prelu", make);

}  // namespace
}  // namespace crema::reference
