#include <cmath>

#include "engines/reference/kernel.hpp"
#include "ops/fused.hpp"

namespace crema::reference {
namespace {

ops::Answer make(const ops::KernelRequest& request) {
  const auto& op = op_of<ops::FoldBatchNorm>(request);
  const Shape& w = request.src[0].shape;
  const int64_t k = w[0], each = w.count(1);
  return by_type(request, [&](auto type) {
    using T = decltype(type);
    return function_offer(request, [op, k, each](const ops::KernelArgs& args) {
      const T* from = src<T>(args, 0);
      size_t next = 1;
      const T* bias = op.bias ? src<T>(args, next++) : nullptr;
      const T *mean = src<T>(args, next), *variance = src<T>(args, next + 1);
      const T factor = *src<T>(args, next + 2);
      next += 3;
      const T* gamma = op.scale ? src<T>(args, next++) : nullptr;
      const T* beta = op.shift ? src<T>(args, next++) : nullptr;
      const double weight = factor == 0 ? 0 : 1 / static_cast<double>(factor);
      for (int64_t c = 0; c < k; ++c) {
        const double a = (gamma ? gamma[c] : 1) / std::sqrt(weight * variance[c] + op.eps);
        const double centred = (bias ? bias[c] : 0) - weight * mean[c];
        dst<T>(args, 1)[c] = static_cast<T>(centred * a + (beta ? beta[c] : 0));
        for (int64_t i = c * each; i < (c + 1) * each; ++i)
          dst<T>(args, 0)[i] = static_cast<T>(from[i] * a);
      }
    });
  });
}

CREMA_REGISTER(ReferenceKernelTag, "fold_batch_norm", make);

}  // namespace
}  // namespace crema::reference
