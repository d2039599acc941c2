// PReLU on blocked activations: oneDNN's primitive knows one block size only, and the order of its
// sums depends on the threads. On plain data the reference engine is as fast.
#include "engines/onednn/channels.hpp"
#include "engines/onednn/kernel.hpp"
#include "ops/pointwise.hpp"

namespace crema::onednn {
namespace {

using ops::KernelArgs;
using ops::KernelRequest;

// x, y and their gradients lie as x does; the slopes are plain.
ops::Answer prelu(const KernelRequest& request, const Context&) {
  const ops::Operand& x = request.src[0];
  if (x.shape.rank() < 2) return ops::Refusal{"no channels"};
  if (!x.layout || x.layout->plain()) return ops::Refusal{"the reference is as fast on plain data"};
  const auto desc = desc_of(x);
  const auto view = desc ? ChannelView::of(*desc) : std::nullopt;
  if (!view) return ops::Refusal{"only on layouts with blocks of channels"};
  const ChannelSlopes slopes{*view, request.src[1].shape.count() == 1};
  ops::Offer offer = blank_offer(request);
  offer.src[0] = offer.dst[0] = layout_of(*desc);
  offer.implementation = "blocked loops";
  if (request.part == ops::kForward) {
    offer.kernel = std::make_unique<FunctionKernel>([slopes](const KernelArgs& a) {
      channel_prelu(slopes, static_cast<const float*>(a.src[0]),
                    static_cast<const float*>(a.src[1]), static_cast<float*>(a.dst[0]));
    });
    return offer;
  }
  offer.diff_dst[0] = offer.diff_src[0] = layout_of(*desc);
  offer.scratch_bytes = static_cast<size_t>(view->padded_channels()) * sizeof(double);
  offer.kernel = std::make_unique<FunctionKernel>([slopes](const KernelArgs& a) {
    channel_prelu_gradient(
        slopes, static_cast<const float*>(a.src[0]), static_cast<const float*>(a.src[1]),
        static_cast<const float*>(a.diff_dst[0]), static_cast<float*>(a.diff_src[0]),
        static_cast<float*>(a.diff_src[1]), static_cast<double*>(a.scratch));
  });
  return offer;
}

CREMA_REGISTER(OneDnnKernelTag, "prelu", prelu);

}  // namespace
}  // namespace crema::onednn
