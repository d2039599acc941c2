#include "engines/reference/linear_algebra.hpp"
#include "ops/statistics.hpp"

namespace crema::reference {
namespace {

struct Geometry {
  double eps, fraction;
  bool use_global;
  Split split;  // middle: the channels
  int64_t per_channel() const { return split.outer * split.inner; }
  int64_t row(int64_t o, int64_t c) const { return (o * split.middle + c) * split.inner; }
};

// Mean and inverse standard deviation of every channel, as the forward pass used them.
template <class T>
struct Statistics {
  T *mean, *inverse;
  Statistics(void* workspace, int64_t channels)
      : mean(static_cast<T*>(workspace)), inverse(mean + channels) {}
};

struct Moments {
  double mean = 0, variance = 0;  // biased
};

// Two passes: the variance as the mean of (x - mean)^2, which does not cancel.
template <class T>
Moments moments_of(const Geometry& g, const T* x, int64_t c) {
  Moments m;
  if (g.per_channel() == 0) return m;
  const auto n = static_cast<double>(g.per_channel());
  double sum = 0, squares = 0;
  for (int64_t o = 0; o < g.split.outer; ++o)
    sum += sum_row<T>(x + g.row(o, c), nullptr, g.split.inner);
  m.mean = sum / n;
  for (int64_t o = 0; o < g.split.outer; ++o) {
    const T* row = x + g.row(o, c);
#pragma omp simd reduction(+ : squares)
    for (int64_t i = 0; i < g.split.inner; ++i) {
      const double d = static_cast<double>(row[i]) - m.mean;
      squares += d * d;
    }
  }
  m.variance = squares / n;
  return m;
}

template <class T>
Moments global_moments(const ops::KernelArgs& args, int64_t c) {
  const auto factor = static_cast<double>(src<T>(args, 3)[0]);
  const double scale = factor == 0 ? 0 : 1 / factor;
  return {static_cast<double>(src<T>(args, 1)[c]) * scale,
          static_cast<double>(src<T>(args, 2)[c]) * scale};
}

// The running sums of channel c; null pointers are left alone (statistics that are frozen).
template <class T>
void update_sums(const Geometry& g, const Moments& m, int64_t c, const ops::KernelArgs& args) {
  if (g.per_channel() == 0) return;
  const auto n = static_cast<double>(g.per_channel());
  const double unbiased = n > 1 ? n / (n - 1) : 1;
  const auto add = [&](void* sums, double value) {
    if (sums == nullptr) return;
    T& sum = static_cast<T*>(sums)[c];
    sum = static_cast<T>(g.fraction * static_cast<double>(sum) + value);
  };
  add(args.mutated[1], m.mean);
  add(args.mutated[2], m.variance * unbiased);
}

template <class T>
void forward(const Geometry& g, const ops::KernelArgs& args) {
  const int64_t channels = g.split.middle;
  const T* x = src<T>(args, 0);
  parallel_each(channels, 3 * g.per_channel(), [&](int64_t c) {
    const Moments m = g.use_global ? global_moments<T>(args, c) : moments_of(g, x, c);
    if (!g.use_global) update_sums<T>(g, m, c, args);
    const T mean = static_cast<T>(m.mean);
    const T inverse = static_cast<T>(1 / std::sqrt(m.variance + g.eps));
    if (args.workspace != nullptr) {
      const Statistics<T> kept(args.workspace, channels);
      kept.mean[c] = mean, kept.inverse[c] = inverse;
    }
    for (int64_t o = 0; o < g.split.outer; ++o) {
      const T* from = x + g.row(o, c);
      T* to = dst<T>(args, 0) + g.row(o, c);
      for (int64_t i = 0; i < g.split.inner; ++i) to[i] = (from[i] - mean) * inverse;
    }
  });
  if (g.use_global || g.per_channel() == 0 || args.mutated[3] == nullptr) return;
  T& factor = *static_cast<T*>(args.mutated[3]);
  factor = static_cast<T>(g.fraction * static_cast<double>(factor) + 1);
}

// y once more, as the forward pass computed it.
template <class T>
void again(const Geometry& g, const ops::KernelArgs& args) {
  const Statistics<T> kept(args.workspace, g.split.middle);
  const T* x = src<T>(args, 0);
  parallel_each(g.split.middle, g.per_channel(), [&](int64_t c) {
    const T mean = kept.mean[c], inverse = kept.inverse[c];
    for (int64_t o = 0; o < g.split.outer; ++o) {
      const T* from = x + g.row(o, c);
      T* to = dst<T>(args, 0) + g.row(o, c);
      for (int64_t i = 0; i < g.split.inner; ++i) to[i] = (from[i] - mean) * inverse;
    }
  });
}

// dx = (g - mean(g) - xhat mean(g xhat)) / std; with global statistics, which do not depend on x,
// dx = g / std.
template <class T>
void gradient(const Geometry& g, const ops::KernelArgs& args) {
  const Statistics<T> kept(args.workspace, g.split.middle);
  const T *dy = diff_dst<T>(args, 0), *x = g.use_global ? nullptr : src<T>(args, 0);
  parallel_each(g.split.middle, 3 * g.per_channel(), [&](int64_t c) {
    const T mean = kept.mean[c], inverse = kept.inverse[c];
    double sum = 0, product = 0;
    for (int64_t o = 0; o < g.split.outer && !g.use_global; ++o) {
      const T *dy_row = dy + g.row(o, c), *x_row = x + g.row(o, c);
#pragma omp simd reduction(+ : sum, product)
      for (int64_t i = 0; i < g.split.inner; ++i) {
        sum += dy_row[i];
        product += static_cast<double>(dy_row[i]) * ((x_row[i] - mean) * inverse);
      }
    }
    const auto n = static_cast<double>(std::max<int64_t>(1, g.per_channel()));
    const T mean_dy = static_cast<T>(sum / n), mean_product = static_cast<T>(product / n);
    for (int64_t o = 0; o < g.split.outer; ++o) {
      const int64_t row = g.row(o, c);
      T* dx = diff_src<T>(args, 0);
      for (int64_t i = row; i < row + g.split.inner; ++i)
        dx[i] = g.use_global ? dy[i] * inverse
                             : (dy[i] - mean_dy - (x[i] - mean) * inverse * mean_product) * inverse;
    }
  });
}

ops::Answer make(const ops::KernelRequest& request) {
  const auto& op = op_of<ops::BatchNorm>(request);
  const Geometry g{static_cast<double>(op.eps), static_cast<double>(op.fraction), op.use_global,
                   Split(request.src[0].shape, 1, 2)};
  return by_type(request, [&](auto type) {
    using T = decltype(type);
    if (request.part == ops::kAgain)
      return function_offer(request, [=](const auto& args) { again<T>(g, args); });
    if (request.part != ops::kForward)
      return function_offer(request, [=](const auto& args) { gradient<T>(g, args); });
    const size_t kept = 2 * static_cast<size_t>(g.split.middle) * sizeof(T);
    return function_offer(
        request, [=](const auto& args) { forward<T>(g, args); }, request.training ? kept : 0);
  });
}

CREMA_REGISTER(ReferenceKernelTag, "batch_norm", make);

}  // namespace
}  // namespace crema::reference
