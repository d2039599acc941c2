#include "engines/reference/correlation.hpp"
#include "ops/linear.hpp"

namespace crema::reference {
namespace {

ops::Answer make(const ops::KernelRequest& request) {
  const auto& op = op_of<ops::Convolution>(request);
  const Shape y = request.dst[0].shape;
  const auto g =
      std::make_shared<const Correlation>(correlation_of(op, op.groups, request.src[0].shape, y));
  return by_type(request, [&](auto type) {
    using T = decltype(type);
    if (request.part == 0)
      return function_offer(request, [=](const auto& args) {
        correlate_transposed<T>(*g, diff_dst<T>(args, 0), src<T>(args, 1), nullptr,
                                diff_src<T>(args, 0));
      });
    if (request.part == 1)
      return function_offer(request, [=, bias = op.bias](const auto& args) {
        const T* dy = diff_dst<T>(args, 0);
        if (T* dw = diff_src<T>(args, 1)) correlate_weights<T>(*g, src<T>(args, 0), dy, dw);
        if (bias && diff_src<T>(args, 2) != nullptr) channel_sums<T>(y, dy, diff_src<T>(args, 2));
      });
    return function_offer(request, [=, bias = op.bias](const auto& args) {
      correlate<T>(*g, src<T>(args, 0), src<T>(args, 1), bias ? src<T>(args, 2) : nullptr,
                   dst<T>(args, 0));
    });
  });
}

CREMA_REGISTER(ReferenceKernelTag, "convolution", make);

}  // namespace
}  // namespace crema::reference
