// Scale and Bias with one number per channel, on blocked activations: so that a net of blocked
// convolutions is not unblocked for them. On plain ones the reference engine is as fast.
#include "engines/onednn/channels.hpp"
#include "engines/onednn/kernel.hpp"
#include "ops/pointwise.hpp"

namespace crema::onednn {
namespace {

using ops::KernelArgs;
using ops::KernelRequest;

const float* in(std::span<const void* const> operands, size_t i) {
  return static_cast<const float*>(operands[i]);
}
float* out(std::span<void* const> operands, size_t i) {
  return static_cast<float*>(operands[i]);
}

// Refusals that both ops share; else the view of x.
std::variant<ChannelView, ops::Refusal> view_of(const KernelRequest& request, int axis) {
  const ops::Operand& x = request.src[0];
  const Shape& factor = request.src[1].shape;
  if (axis != 1 || factor.rank() != 1 || x.shape.rank() < 2)
    return ops::Refusal{"only one number per channel (axis 1)"};
  if (!x.layout || x.layout->plain()) return ops::Refusal{"the reference is as fast on plain data"};
  const auto desc = desc_of(x);
  const auto view = desc ? ChannelView::of(*desc) : std::nullopt;
  if (!view) return ops::Refusal{"only on layouts with blocks of channels"};
  return *view;
}

// x, y and their gradients lie as x does; all else is plain.
ops::Answer offer_of(const KernelRequest& request, std::function<void(const KernelArgs&)> fn) {
  ops::Offer offer = blank_offer(request);
  offer.src[0] = offer.dst[0] = layout_of(desc_or_plain(request.src[0]));
  if (request.part != ops::kForward) offer.diff_dst[0] = offer.diff_src[0] = offer.src[0];
  offer.kernel = std::make_unique<FunctionKernel>(std::move(fn));
  offer.implementation = "blocked loops";
  return offer;
}

ops::Answer scale(const KernelRequest& request, const Context&) {
  const auto& op = static_cast<const ops::Scale&>(*request.op);
  const auto found = view_of(request, op.axis);
  if (const auto* refusal = std::get_if<ops::Refusal>(&found)) return *refusal;
  const ChannelView v = std::get<ChannelView>(found);
  switch (request.part) {
    case ops::kForward:
      return offer_of(request, [v, bias = op.bias](const KernelArgs& a) {
        channel_affine(v, in(a.src, 0), in(a.src, 1), bias ? in(a.src, 2) : nullptr, out(a.dst, 0));
      });
    case 0:
      return offer_of(request, [v](const KernelArgs& a) {
        channel_affine(v, in(a.diff_dst, 0), in(a.src, 1), nullptr, out(a.diff_src, 0));
      });
    case 1:
      return offer_of(request, [v](const KernelArgs& a) {
        channel_sums(v, in(a.diff_dst, 0), in(a.src, 0), out(a.diff_src, 1));
      });
    default:
      return offer_of(request, [v](const KernelArgs& a) {
        channel_sums(v, in(a.diff_dst, 0), nullptr, out(a.diff_src, 2));
      });
  }
}

ops::Answer bias(const KernelRequest& request, const Context&) {
  const auto& op = static_cast<const ops::Bias&>(*request.op);
  const auto found = view_of(request, op.axis);
  if (const auto* refusal = std::get_if<ops::Refusal>(&found)) return *refusal;
  const ChannelView v = std::get<ChannelView>(found);
  switch (request.part) {
    case ops::kForward:
      return offer_of(request, [v](const KernelArgs& a) {
        channel_affine(v, in(a.src, 0), nullptr, in(a.src, 1), out(a.dst, 0));
      });
    case 0:
      return offer_of(request, [v](const KernelArgs& a) {
        channel_affine(v, in(a.diff_dst, 0), nullptr, nullptr, out(a.diff_src, 0));
      });
    default:
      return offer_of(request, [v](const KernelArgs& a) {
        channel_sums(v, in(a.diff_dst, 0), nullptr, out(a.diff_src, 1));
      });
  }
}

CREMA_REGISTER(OneDnnKernelTag, "scale", scale);
CREMA_REGISTER(OneDnnKernelTag, "bias", bias);

}  // namespace
}  // namespace crema::onednn
