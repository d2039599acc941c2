#include "engines/reference/softmax.hpp"

#include "engines/reference/kernel.hpp"
#include "ops/statistics.hpp"

namespace crema::reference {
namespace {

// dx = y (g - sum of g y).
template <class T>
void gradient(const Split& s, const T* g, const T* y, T* dx) {
  for_each_columns(s, [&](int64_t base, int64_t count) {
    double sum[kSoftmaxColumns] = {};
    for (int64_t k = 0; k < s.middle; ++k)
      for (int64_t i = 0; i < count; ++i) {
        const int64_t at = base + k * s.inner + i;
        sum[i] += static_cast<double>(g[at]) * y[at];
      }
    for (int64_t k = 0; k < s.middle; ++k)
      for (int64_t i = 0; i < count; ++i) {
        const int64_t at = base + k * s.inner + i;
        dx[at] = y[at] * (g[at] - static_cast<T>(sum[i]));
      }
  });
}

ops::Answer make(const ops::KernelRequest& request) {
  const int axis = op_of<ops::Softmax>(request).axis;
  const Split split(request.src[0].shape, axis, axis + 1);
  return by_type(request, [&](auto type) {
    using T = decltype(type);
    if (request.part == ops::kForward)
      return function_offer(
          request, [=](const auto& args) { softmax(split, src<T>(args, 0), dst<T>(args, 0)); });
    return function_offer(request, [=](const auto& args) {
      gradient<T>(split, diff_dst<T>(args, 0), dst<T>(args, 0), diff_src<T>(args, 0));
    });
  });
}

CREMA_REGISTER(ReferenceKernelTag, "softmax", make);

}  // namespace
}  // namespace crema::reference
