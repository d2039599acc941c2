// Local response normalisation: y = x s^-beta with s = base + factor * (sum of x^2 around x).
//   dx = g s^-beta - 2 factor beta x * (sum of g y / s around x)
// The neighbourhood is symmetric (the size is odd), so both sums run over the same elements.

#include "engines/reference/kernel.hpp"
#include "ops/spatial.hpp"

namespace crema::reference {
namespace {

struct Geometry {
  bool within_channel;
  int64_t reach;  // (size - 1) / 2
  double base, factor, beta;
  int64_t batch, channels, h, w;  // h x w: the plane
  int64_t plane() const { return h * w; }
  int64_t count() const { return batch * channels * plane(); }
  int64_t cost() const {
    return plane() * (within_channel ? (2 * reach + 1) : 1) * (2 * reach + 1);
  }
};

Geometry geometry_of(const ops::Lrn& op, const Shape& x) {
  const auto size = static_cast<double>(op.size);
  Geometry g{};
  g.within_channel = op.within_channel;
  g.reach = (op.size - 1) / 2;
  g.base = op.within_channel ? 1.0 : static_cast<double>(op.k);
  g.factor = static_cast<double>(op.alpha) / (op.within_channel ? size * size : size);
  g.beta = static_cast<double>(op.beta);
  g.batch = x[0], g.channels = x[1];
  g.h = op.within_channel ? x[2] : 1;
  g.w = op.within_channel ? x.count(3) : x.count(2);
  return g;
}

// sum = for each element of plane `p` of v, the sum over its neighbourhood.
template <class T>
void sum_around(const Geometry& g, int64_t p, const T* v, T* sum) {
  std::fill_n(sum, g.plane(), T(0));
  const auto add = [&](const T* from, T* to, int64_t n) {
    for (int64_t i = 0; i < n; ++i) to[i] += from[i];
  };
  if (!g.within_channel) {
    const int64_t c = p % g.channels;
    const int64_t last = std::min(g.channels - 1, c + g.reach);
    for (int64_t k = std::max<int64_t>(0, c - g.reach); k <= last; ++k)
      add(v + (p - c + k) * g.plane(), sum, g.plane());
    return;
  }
  v += p * g.plane();
  for (int64_t r = 0; r < g.h; ++r)
    for (int64_t q = std::max<int64_t>(0, r - g.reach); q <= std::min(g.h - 1, r + g.reach); ++q)
      for (int64_t shift = -g.reach; shift <= g.reach; ++shift) {
        const int64_t first = std::max<int64_t>(0, -shift), last = std::min(g.w, g.w - shift);
        add(v + q * g.w + first + shift, sum + r * g.w + first, last - first);
      }
}

// s is kept in the workspace in training, else in the scratch behind the squares.
template <class T>
void forward(const Geometry& g, const ops::KernelArgs& args) {
  const T* x = src<T>(args, 0);
  T* squares = static_cast<T*>(args.scratch);
  T* s = args.workspace != nullptr ? static_cast<T*>(args.workspace) : squares + g.count();
  const int64_t planes = g.batch * g.channels;
  parallel_for(g.count(), kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) squares[i] = x[i] * x[i];
  });
  const T base = static_cast<T>(g.base), factor = static_cast<T>(g.factor);
  const T exponent = static_cast<T>(-g.beta);
  parallel_each(planes, g.cost(), [&](int64_t p) {
    const int64_t first = p * g.plane();
    sum_around(g, p, squares, s + first);
    for (int64_t i = first; i < first + g.plane(); ++i) {
      s[i] = base + factor * s[i];
      dst<T>(args, 0)[i] = x[i] * std::pow(s[i], exponent);
    }
  });
}

template <class T>
void gradient(const Geometry& g, const ops::KernelArgs& args) {
  const T *x = src<T>(args, 0), *dy = diff_dst<T>(args, 0);
  const T* s = static_cast<const T*>(args.workspace);
  T *ratio = static_cast<T*>(args.scratch), *dx = diff_src<T>(args, 0);
  const T factor = static_cast<T>(2 * g.factor * g.beta), exponent = static_cast<T>(-g.beta);
  parallel_for(g.count(), kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) ratio[i] = dy[i] * x[i] * std::pow(s[i], exponent) / s[i];
  });
  parallel_each(g.batch * g.channels, g.cost(), [&](int64_t p) {
    const int64_t first = p * g.plane();
    sum_around(g, p, ratio, dx + first);
    for (int64_t i = first; i < first + g.plane(); ++i)
      dx[i] = dy[i] * std::pow(s[i], exponent) - factor * x[i] * dx[i];
  });
}

ops::Answer make(const ops::KernelRequest& request) {
  const Geometry g = geometry_of(op_of<ops::Lrn>(request), request.src[0].shape);
  return by_type(request, [&](auto type) {
    using T = decltype(type);
    const size_t bytes = static_cast<size_t>(g.count()) * sizeof(T);
    if (request.part != ops::kForward)
      return function_offer(
          request, [=](const auto& args) { gradient<T>(g, args); }, 0, bytes);
    return function_offer(
        request, [=](const auto& args) { forward<T>(g, args); }, request.training ? bytes : 0,
        request.training ? bytes : 2 * bytes);
  });
}

CREMA_REGISTER(ReferenceKernelTag, "lrn", make);

}  // namespace
}  // namespace crema::reference
