#include "engines/reference/correlation.hpp"
#include "ops/linear.hpp"

namespace crema::reference {
namespace {

// The correlation whose transpose this is has its windows on y.
ops::Answer make(const ops::KernelRequest& request) {
  const auto& op = op_of<ops::Deconvolution>(request);
  const Shape y = request.dst[0].shape;
  const auto g =
      std::make_shared<const Correlation>(correlation_of(op, op.groups, y, request.src[0].shape));
  return by_type(request, [&](auto type) {
    using T = decltype(type);
    if (request.part == 0)
      return function_offer(request, [=](const auto& args) {
        correlate<T>(*g, diff_dst<T>(args, 0), src<T>(args, 1), nullptr, diff_src<T>(args, 0));
      });
    if (request.part == 1)
      return function_offer(request, [=, bias = op.bias](const auto& args) {
        const T* dy = diff_dst<T>(args, 0);
        if (T* dw = diff_src<T>(args, 1)) correlate_weights<T>(*g, dy, src<T>(args, 0), dw);
        if (bias && diff_src<T>(args, 2) != nullptr) channel_sums<T>(y, dy, diff_src<T>(args, 2));
      });
    return function_offer(request, [=, bias = op.bias](const auto& args) {
      correlate_transposed<T>(*g, src<T>(args, 0), src<T>(args, 1),
                              bias ? src<T>(args, 2) : nullptr, dst<T>(args, 0));
    });
  });
}

CREMA_REGISTER(ReferenceKernelTag, "deconvolution", make);

}  // namespace
}  // namespace crema::reference
