#include "engines/reference/linear_algebra.hpp"
#include "ops/statistics.hpp"

namespace crema::reference {
namespace {

struct Geometry {
  ops::Mvn op;
  int64_t rows, length;
};

template <class T>
double mean(const T* a, const T* b, int64_t n) {
  return n == 0 ? 0 : sum_row(a, b, n) / static_cast<double>(n);
}

// y may be x. Workspace: what each row was multiplied by.
template <class T>
void forward(const Geometry& g, const ops::KernelArgs& args) {
  T* factors = static_cast<T*>(args.workspace);
  parallel_each(g.rows, 4 * g.length, [&](int64_t row) {
    const T* x = src<T>(args, 0) + row * g.length;
    T* y = dst<T>(args, 0) + row * g.length;
    const T mu = static_cast<T>(mean<T>(x, nullptr, g.length));
    for (int64_t i = 0; i < g.length; ++i) y[i] = x[i] - mu;
    if (!g.op.normalize_variance) return;
    const T factor =
        static_cast<T>(1 / (std::sqrt(mean<T>(y, y, g.length)) + static_cast<double>(g.op.eps)));
    for (int64_t i = 0; i < g.length; ++i) y[i] *= factor;
    if (factors != nullptr) factors[row] = factor;
  });
}

template <class T>
void gradient(const Geometry& g, const ops::KernelArgs& args) {
  const bool scaled = g.op.normalize_variance;
  parallel_each(g.rows, 4 * g.length, [&](int64_t row) {
    const T* dy = diff_dst<T>(args, 0) + row * g.length;
    T* dx = diff_src<T>(args, 0) + row * g.length;
    const T mu = static_cast<T>(mean<T>(dy, nullptr, g.length));
    if (!scaled) {
      for (int64_t i = 0; i < g.length; ++i) dx[i] = dy[i] - mu;
      return;
    }
    const T* y = dst<T>(args, 0) + row * g.length;
    const T along = static_cast<T>(mean<T>(dy, y, g.length));
    const T factor = static_cast<const T*>(args.workspace)[row];
    for (int64_t i = 0; i < g.length; ++i) dx[i] = (dy[i] - mu - y[i] * along) * factor;
  });
}

ops::Answer make(const ops::KernelRequest& request) {
  const auto& op = op_of<ops::Mvn>(request);
  const Shape& x = request.src[0].shape;
  const Geometry g{op, x.count(0, op.axis), x.count(op.axis)};
  return by_type(request, [&](auto type) {
    using T = decltype(type);
    if (request.part != ops::kForward)
      return function_offer(request, [g](const auto& args) { gradient<T>(g, args); });
    const bool keeps = request.training && op.normalize_variance;
    return function_offer(
        request, [g](const auto& args) { forward<T>(g, args); },
        keeps ? static_cast<size_t>(g.rows) * sizeof(T) : 0);
  });
}

CREMA_REGISTER(ReferenceKernelTag, "mvn", make);

}  // namespace
}  // namespace crema::reference
