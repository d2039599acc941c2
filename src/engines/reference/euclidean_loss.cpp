#include "engines/reference/kernel.hpp"
#include "ops/loss.hpp"

namespace crema::reference {
namespace {

template <class T>
void forward(int64_t n, double batch, const ops::KernelArgs& args) {
  const T *a = src<T>(args, 0), *b = src<T>(args, 1);
  const double sum = chunked_sum(n, args.scratch, [&](int64_t begin, int64_t end) {
    double part = 0;
#pragma omp simd reduction(+ : part)
    for (int64_t i = begin; i < end; ++i) {
      const double d = static_cast<double>(a[i]) - b[i];
      part += d * d;
    }
    return part;
  });
  *dst<T>(args, 0) = static_cast<T>(sum / (2 * batch));
}

// w (a - b) / N for source 0, the opposite for source 1.
template <class T>
void gradient(int64_t n, double batch, size_t source, const ops::KernelArgs& args) {
  const T *a = src<T>(args, source), *b = src<T>(args, 1 - source);
  const T weight = static_cast<T>(static_cast<double>(*diff_dst<T>(args, 0)) / batch);
  T* dx = diff_src<T>(args, source);
  parallel_for(n, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) dx[i] = weight * (a[i] - b[i]);
  });
}

ops::Answer make(const ops::KernelRequest& request) {
  const Shape& x = request.src[0].shape;
  const int64_t n = x.count();
  CREMA_CHECK(request.src[1].shape.count() == n, "euclidean loss: sources of one size");
  const auto batch = static_cast<double>(x.rank() == 0 ? 1 : std::max<int64_t>(1, x[0]));
  return by_type(request, [&](auto type) {
    using T = decltype(type);
    if (request.part != ops::kForward)
      return function_offer(request, [n, batch, part = request.part](const auto& args) {
        gradient<T>(n, batch, static_cast<size_t>(part), args);
      });
    return function_offer(
        request, [=](const auto& args) { forward<T>(n, batch, args); }, 0, chunk_scratch(n));
  });
}

CREMA_REGISTER(ReferenceKernelTag, "euclidean_loss", make);

}  // namespace
}  // namespace crema::reference
