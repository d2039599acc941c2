#include "engines/reference/labels.hpp"
#include "ops/loss.hpp"

namespace crema::reference {
namespace {

struct Geometry {
  ops::SigmoidCrossEntropyLoss op;
  int64_t count, batch;
};

// Targets are numbers, not classes: only their whole part is compared with ignore_label.
template <class T>
bool ignored(const std::optional<int>& ignore, T target) {
  return ignore && std::trunc(target) == static_cast<T>(*ignore);
}

template <class T>
double divisor(const Geometry& g, const T* targets) {
  int64_t valid = g.count;
  if (g.op.ignore_label && g.op.normalization == ops::Normalization::kValid)
    valid -= std::count_if(targets, targets + g.count,
                           [&](T t) { return ignored(g.op.ignore_label, t); });
  return normalizer(g.op.normalization, g.count, valid, g.batch);
}

template <class T>
void forward(const Geometry& g, const ops::KernelArgs& args) {
  const T *x = src<T>(args, 0), *t = src<T>(args, 1);
  const double sum = chunked_sum(g.count, args.scratch, [&](int64_t begin, int64_t end) {
    double part = 0;
    for (int64_t i = begin; i < end; ++i) {
      if (ignored(g.op.ignore_label, t[i])) continue;
      const auto v = static_cast<double>(x[i]);
      part += std::max(v, 0.0) - v * static_cast<double>(t[i]) + std::log1p(std::exp(-std::abs(v)));
    }
    return part;
  });
  *dst<T>(args, 0) = static_cast<T>(sum / divisor(g, t));
}

template <class T>
void gradient(const Geometry& g, const ops::KernelArgs& args) {
  const T *x = src<T>(args, 0), *t = src<T>(args, 1);
  const T weight = static_cast<T>(static_cast<double>(*diff_dst<T>(args, 0)) / divisor(g, t));
  T* dx = diff_src<T>(args, 0);
  parallel_for(g.count, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const T p = T(0.5) * std::tanh(T(0.5) * x[i]) + T(0.5);
      dx[i] = ignored(g.op.ignore_label, t[i]) ? T(0) : (p - t[i]) * weight;
    }
  });
}

ops::Answer make(const ops::KernelRequest& request) {
  const Shape& x = request.src[0].shape;
  const Geometry g{op_of<ops::SigmoidCrossEntropyLoss>(request), x.count(),
                   x.rank() == 0 ? 1 : x[0]};
  CREMA_CHECK(request.src[1].shape.count() == g.count,
              "sigmoid cross-entropy loss: sources of one size");
  return by_type(request, [&](auto type) {
    using T = decltype(type);
    if (request.part != ops::kForward)
      return function_offer(request, [=](const auto& args) { gradient<T>(g, args); });
    return function_offer(
        request, [=](const auto& args) { forward<T>(g, args); }, 0, chunk_scratch(g.count));
  });
}

CREMA_REGISTER(ReferenceKernelTag, "sigmoid_cross_entropy_loss", make);

}  // namespace
}  // namespace crema::reference
