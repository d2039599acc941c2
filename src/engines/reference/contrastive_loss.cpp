#include "engines/reference/kernel.hpp"
#include "ops/loss.hpp"

namespace crema::reference {
namespace {

struct Geometry {
  ops::ContrastiveLoss op;
  int64_t pairs, length;
  double share() const { return 1.0 / static_cast<double>(std::max<int64_t>(1, pairs)); }
};

template <class T>
double squared_distance(const T* a, const T* b, int64_t n) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) {
    const double d = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    sum += d * d;
  }
  return sum;
}

template <class T>
bool similar(const ops::KernelArgs& args, int64_t pair) {
  return std::trunc(src<T>(args, 2)[pair]) != 0;
}

template <class T>
double squared_distance(const Geometry& g, const ops::KernelArgs& args, int64_t pair) {
  return squared_distance(src<T>(args, 0) + pair * g.length, src<T>(args, 1) + pair * g.length,
                          g.length);
}

template <class T>
double term(const Geometry& g, const ops::KernelArgs& args, int64_t pair) {
  const double squared = squared_distance<T>(g, args, pair);
  if (similar<T>(args, pair)) return squared;
  const auto margin = static_cast<double>(g.op.margin);
  if (g.op.legacy) return std::max(0.0, margin - squared);
  const double short_by = std::max(0.0, margin - std::sqrt(squared));
  return short_by * short_by;
}

// The gradient of a pair with respect to a is this times (a - b).
template <class T>
double factor(const Geometry& g, const ops::KernelArgs& args, int64_t pair) {
  if (similar<T>(args, pair)) return 1;
  const double squared = squared_distance<T>(g, args, pair);
  const auto margin = static_cast<double>(g.op.margin);
  if (g.op.legacy) return margin - squared > 0 ? -1 : 0;
  const double distance = std::sqrt(squared);
  return margin - distance > 0 ? -(margin - distance) / (distance + 1e-4) : 0;
}

template <class T>
void forward(const Geometry& g, const ops::KernelArgs& args) {
  double* terms = static_cast<double*>(args.scratch);
  parallel_each(g.pairs, g.length, [&](int64_t pair) { terms[pair] = term<T>(g, args, pair); });
  double sum = 0;
  for (int64_t pair = 0; pair < g.pairs; ++pair) sum += terms[pair];
  *dst<T>(args, 0) = static_cast<T>(sum * g.share() / 2);
}

template <class T>
void gradient(const Geometry& g, const ops::KernelArgs& args) {
  const double weight = static_cast<double>(*diff_dst<T>(args, 0)) * g.share();
  parallel_each(g.pairs, 2 * g.length, [&](int64_t pair) {
    const int64_t first = pair * g.length;
    const T *a = src<T>(args, 0) + first, *b = src<T>(args, 1) + first;
    const T scale = static_cast<T>(weight * factor<T>(g, args, pair));
    for (const size_t side : {size_t{0}, size_t{1}})
      if (T* d = diff_src<T>(args, side))
        for (int64_t i = 0; i < g.length; ++i)
          d[first + i] = (side == 0 ? scale : -scale) * (a[i] - b[i]);
  });
}

ops::Answer make(const ops::KernelRequest& request) {
  const Shape& a = request.src[0].shape;
  const Geometry g{op_of<ops::ContrastiveLoss>(request), a[0], a.count(1)};
  CREMA_CHECK(request.src[1].shape.count() == a.count() && request.src[2].shape.count() == g.pairs,
              "contrastive loss: equal sources, one number per pair");
  return by_type(request, [&](auto type) {
    using T = decltype(type);
    if (request.part != ops::kForward)
      return function_offer(request, [g](const auto& args) { gradient<T>(g, args); });
    return function_offer(
        request, [g](const auto& args) { forward<T>(g, args); }, 0,
        static_cast<size_t>(g.pairs) * sizeof(double));
  });
}

CREMA_REGISTER(ReferenceKernelTag, "contrastive_loss", make);

}  // namespace
}  // namespace crema::reference
