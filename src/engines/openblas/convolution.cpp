#include "engines/openblas/correlation.hpp"
#include "engines/openblas/kernel.hpp"
#include "ops/linear.hpp"

namespace crema::openblas {
namespace {

using ops::KernelArgs;
using ops::KernelRequest;

// Of convolutions the windows slide over src 0, of transposed ones over dst 0.
template <class OpType>
constexpr bool kTransposed = std::is_same_v<OpType, ops::Deconvolution>;

template <class OpType>
void forward(const Correlation& c, bool bias, const KernelArgs& args) {
  const float *x = in(args.src, 0), *w = in(args.src, 1);
  const float* b = bias ? in(args.src, 2) : nullptr;
  if constexpr (kTransposed<OpType>)
    c.transpose(x, w, b, out(args.dst, 0), args.scratch);
  else
    c.correlate(x, w, b, out(args.dst, 0), args.scratch);
}

template <class OpType>
void data_gradient(const Correlation& c, const KernelArgs& args) {
  const float *dy = in(args.diff_dst, 0), *w = in(args.src, 1);
  if constexpr (kTransposed<OpType>)
    c.correlate(dy, w, nullptr, out(args.diff_src, 0), args.scratch);
  else
    c.transpose(dy, w, nullptr, out(args.diff_src, 0), args.scratch);
}

template <class OpType>
void weight_gradient(const Correlation& c, const Shape& y, bool bias, const KernelArgs& args) {
  const float *x = in(args.src, 0), *dy = in(args.diff_dst, 0);
  if (float* dw = out(args.diff_src, 1)) {
    if constexpr (kTransposed<OpType>)
      c.weights(dy, x, dw, args.scratch);
    else
      c.weights(x, dy, dw, args.scratch);
  }
  if (bias && args.diff_src[2] != nullptr)
    channel_sums(y[0], y[1], y.count(2), dy, out(args.diff_src, 2));
}

template <class OpType>
ops::Answer answer(const KernelRequest& request) {
  const auto& op = static_cast<const OpType&>(*request.op);
  const Shape &x = request.src[0].shape, &y = request.dst[0].shape;
  const Correlation c =
      kTransposed<OpType> ? Correlation(op, op.groups, y, x) : Correlation(op, op.groups, x, y);
  if (std::string why = c.unfit(); !why.empty()) return ops::Refusal{std::move(why)};
  std::unique_ptr<ops::Kernel> kernel;
  if (request.part == ops::kForward)
    kernel = ops::function_kernel(
        [c, bias = op.bias](const KernelArgs& args) { forward<OpType>(c, bias, args); });
  else if (request.part == 0)
    kernel = ops::function_kernel([c](const KernelArgs& args) { data_gradient<OpType>(c, args); });
  else
    kernel = ops::function_kernel([c, y, bias = op.bias](const KernelArgs& args) {
      weight_gradient<OpType>(c, y, bias, args);
    });
  ops::Offer offer = ops::plain_offer(request, std::move(kernel), c.implementation());
  offer.scratch_bytes = request.part == 1 ? c.weights_bytes() : c.columns_bytes();
  return offer;
}

CREMA_REGISTER(OpenBlasKernelTag, "convolution", answer<ops::Convolution>);
CREMA_REGISTER(OpenBlasKernelTag, "deconvolution", answer<ops::Deconvolution>);

}  // namespace
}  // namespace crema::openblas
