#include "engines/onednn/kernel.hpp"
#include "ops/statistics.hpp"

namespace crema::onednn {
namespace {

using ops::KernelRequest;
using Forward = dnnl::softmax_forward;
using Backward = dnnl::softmax_backward;

ops::Answer softmax(const KernelRequest& request, const Context& context) {
  const auto& op = static_cast<const ops::Softmax&>(*request.op);
  // Both directions in the forward destination's layout, which is the source's.
  const Desc y = desc_or_plain(request.part == ops::kForward ? request.src[0] : request.dst[0]);
  const Forward::primitive_desc fwd({dnnl::prop_kind::forward_training, y, op.axis},
                                    context.attributes, context.engine);
  ops::Offer offer = blank_offer(request);
  if (request.part == ops::kForward) {
    if (grade(fwd.impl_info_str()) == 0) return refuse_reference(fwd.impl_info_str());
    offer.src[0] = offer.dst[0] = layout_of(y);
    set_primitive<Forward>(offer, context, fwd,
                           {{DNNL_ARG_SRC, Role::kSrc, 0, y}, {DNNL_ARG_DST, Role::kDst, 0, y}});
    return offer;
  }
  const Backward::primitive_desc bwd({y, y, op.axis}, context.attributes, context.engine, fwd);
  if (grade(bwd.impl_info_str()) == 0) return refuse_reference(bwd.impl_info_str());
  offer.dst[0] = offer.diff_dst[0] = offer.diff_src[0] = layout_of(y);
  set_primitive<Backward>(offer, context, bwd,
                          {{DNNL_ARG_DST, Role::kDst, 0, y},
                           {DNNL_ARG_DIFF_DST, Role::kDiffDst, 0, y},
                           {DNNL_ARG_DIFF_SRC, Role::kDiffSrc, 0, y}});
  return offer;
}

CREMA_REGISTER(OneDnnKernelTag, "softmax", softmax);

}  // namespace
}  // namespace crema::onednn
