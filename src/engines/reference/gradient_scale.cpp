#include "engines/reference/kernel.hpp"
#include "ops/pointwise.hpp"

namespace crema::reference {
namespace {

// dx may be dy.
template <class T>
void scale(int64_t n, T factor, const T* dy, T* dx) {
  parallel_for(n, kGrain, [&](int64_t begin, int64_t end) {
    if (factor == 0)  // an infinite gradient must not become NaN
      std::fill(dx + begin, dx + end, T(0));
    else
      for (int64_t i = begin; i < end; ++i) dx[i] = factor * dy[i];
  });
}

// Element by element, so any layout will do: the padding of a foreign one stays zero.
ops::Answer make(const ops::KernelRequest& request) {
  if (request.part == ops::kForward) return ops::Refusal{"a view has no forward kernel"};
  TensorDesc desc{request.diff_dst[0].shape, request.dtype, {}};
  desc.layout = request.diff_dst[0].layout.value_or(Layout());
  if (desc.stored() != request.dtype) desc.layout = Layout();  // bf16
  const auto n = static_cast<int64_t>(desc.bytes() / bytes_of(request.dtype));
  return by_type(request, [&](auto type) {
    using T = decltype(type);
    ops::Answer answer = function_offer(
        request, [n, factor = op_of<ops::GradientScale>(request).factor](const auto& args) {
          const auto now = static_cast<T>(factor(args.step->iteration));
          scale(n, now, diff_dst<T>(args, 0), diff_src<T>(args, 0));
        });
    auto& offer = std::get<ops::Offer>(answer);
    offer.diff_dst[0] = offer.diff_src[0] = desc.layout;
    return answer;
  });
}

CREMA_REGISTER(ReferenceKernelTag, "gradient_scale", make);

}  // namespace
}  // namespace crema::reference
