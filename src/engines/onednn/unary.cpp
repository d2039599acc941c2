#include "engines/onednn/kernel.hpp"
#include "ops/pointwise.hpp"

namespace crema::onednn {
namespace {

using ops::Function;
using ops::KernelRequest;
using Forward = dnnl::eltwise_forward;
using Backward = dnnl::eltwise_backward;

// The algorithm whose backward kernel reads what the op's gradient rule promises: y where
// gradient_from_dst(), else x.
std::optional<dnnl::algorithm> algorithm_of(const ops::Unary& op) {
  switch (op.function) {
    case Function::kRelu:
      return op.gradient_from_dst() ? dnnl::algorithm::eltwise_relu_use_dst_for_bwd
                                    : dnnl::algorithm::eltwise_relu;
    case Function::kSigmoid:
      return dnnl::algorithm::eltwise_logistic_use_dst_for_bwd;
    case Function::kTanh:
      return dnnl::algorithm::eltwise_tanh_use_dst_for_bwd;
    default:
      return std::nullopt;
  }
}

ops::Answer unary(const KernelRequest& request, const Context& context) {
  const auto& op = static_cast<const ops::Unary&>(*request.op);
  const auto algorithm = algorithm_of(op);
  if (!algorithm) return ops::Refusal{"no kernel for " + op.describe()};
  const Desc x = desc_or_plain(request.src[0]);
  const auto slope = static_cast<float>(op.p);
  const Forward::primitive_desc fwd({dnnl::prop_kind::forward_training, *algorithm, x, slope, 0.0f},
                                    context.attributes, context.engine);
  ops::Offer offer = blank_offer(request);
  if (request.part == ops::kForward) {
    if (grade(fwd.impl_info_str()) == 0) return refuse_reference(fwd.impl_info_str());
    offer.src[0] = offer.dst[0] = layout_of(x);
    set_primitive(offer, context, fwd, Forward(fwd),
                  {{DNNL_ARG_SRC, Role::kSrc, 0, x}, {DNNL_ARG_DST, Role::kDst, 0, x}});
    return offer;
  }
  const Backward::primitive_desc bwd({*algorithm, x, x, slope, 0.0f}, context.attributes,
                                     context.engine, fwd);
  if (grade(bwd.impl_info_str()) == 0) return refuse_reference(bwd.impl_info_str());
  offer.src[0] = offer.dst[0] = offer.diff_dst[0] = offer.diff_src[0] = layout_of(x);
  const Binding value = op.gradient_from_dst() ? Binding{DNNL_ARG_DST, Role::kDst, 0, x}
                                               : Binding{DNNL_ARG_SRC, Role::kSrc, 0, x};
  set_primitive(offer, context, bwd, Backward(bwd),
                {value,
                 {DNNL_ARG_DIFF_DST, Role::kDiffDst, 0, x},
                 {DNNL_ARG_DIFF_SRC, Role::kDiffSrc, 0, x}});
  return offer;
}

CREMA_REGISTER(OneDnnKernelTag, "unary", unary);

}  // namespace
}  // namespace crema::onednn
