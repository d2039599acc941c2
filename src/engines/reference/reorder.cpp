#include "engines/reference/kernel.hpp"
#include "ops/shape_ops.hpp"

namespace crema::reference {
namespace {

// Only plain to plain, a copy: an opaque layout is read by the engine that minted it.
ops::Answer make(const ops::KernelRequest& request) {
  for (const ops::Operand* operand : {&request.src[0], &request.dst[0]})
    if (operand->layout && !operand->layout->plain())
      return ops::Refusal{std::string(operand->layout->opaque()->engine()) + "'s layout " +
                          operand->layout->text() + " is not plain"};
  const int64_t n = request.src[0].shape.count();
  return by_type(request, [&](auto type) {
    using T = decltype(type);
    return function_offer(request, [=](const ops::KernelArgs& args) {
      const T* from = src<T>(args, 0);
      T* to = dst<T>(args, 0);
      parallel_for(n, kGrain, [&](int64_t begin, int64_t end) {
        std::copy(from + begin, from + end, to + begin);
      });
    });
  });
}

CREMA_REGISTER(ReferenceKernelTag, "reorder", make);

}  // namespace
}  // namespace crema::reference
