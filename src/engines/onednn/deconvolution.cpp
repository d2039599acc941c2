// Transposed convolution. oneDNN's own addition of a bias is a plain loop that takes as long as the
// rest (measured), so it is done here on the blocks.
#include <fmt/format.h>

#include "engines/onednn/channels.hpp"
#include "engines/onednn/kernel.hpp"
#include "ops/linear.hpp"

namespace crema::onednn {
namespace {

using ops::KernelRequest;
using Forward = dnnl::deconvolution_forward;
using BackwardData = dnnl::deconvolution_backward_data;
using BackwardWeights = dnnl::deconvolution_backward_weights;
constexpr auto kDirect = dnnl::algorithm::deconvolution_direct;

// The op in oneDNN's terms: weights have output channels first and, if grouped, an axis of groups;
// dilation counts the skipped elements.
struct Geometry {
  Dims x, w, b, y, stride, dilation, pad;
  Desc row_major;  // crema's weights (input channels, output channels / groups, kernel...) as w

  Geometry(const ops::Deconvolution& op, const KernelRequest& request)
      : x(request.src[0].shape.dims()),
        w(request.src[1].shape.dims()),
        b{request.dst[0].shape[1]},
        y(request.dst[0].shape.dims()),
        stride(op.stride),
        dilation(op.dilation),
        pad(op.pad) {
    for (auto& d : dilation) --d;
    Dims strides(w.size(), 1);
    for (size_t i = w.size() - 1; i > 0; --i) strides[i - 1] = strides[i] * w[i];
    std::swap(w[0], w[1]);
    std::swap(strides[0], strides[1]);
    if (op.groups > 1) {
      w[1] /= op.groups;
      w.insert(w.begin(), op.groups);
      strides.insert(strides.begin(), strides[1] * w[2]);
    }
    row_major = Desc(w, Type::f32, strides);
  }
};

// Layouts to try: of source, weights and destination.
struct Candidate {
  Desc src, weights, dst;
};

// Always the training kind: a test net, and a layer that is frozen, compute the same bits.
Forward::primitive_desc forward_desc(const Geometry& g, const Candidate& c, bool bias,
                                     const Context& context) {
  const Desc b = bias ? plain_desc(g.b) : Desc();
  return {{dnnl::prop_kind::forward_training, kDirect, c.src, c.weights, b, c.dst, g.stride,
           g.dilation, g.pad, g.pad},
          context.attributes,
          context.engine};
}

// oneDNN wants a forward descriptor beside every backward one.
Forward::primitive_desc hint(const Geometry& g, bool bias, const Context& context) {
  return forward_desc(g, {any_desc(g.x), any_desc(g.w), any_desc(g.y)}, bias, context);
}

// The source as it is if it is blocked already, else as oneDNN likes it.
std::vector<Desc> source_choices(const ops::Operand& x) {
  std::vector<Desc> out;
  if (const auto now = desc_of(x); now && !x.layout->plain()) out.push_back(*now);
  out.push_back(any_desc(x.shape.dims()));
  return out;
}

// A kernel and then y += bias.
class WithBias final : public ops::Kernel {
 public:
  WithBias(std::unique_ptr<ops::Kernel> kernel, ChannelView view)
      : kernel_(std::move(kernel)), view_(view) {}
  void prepare() override { kernel_->prepare(); }
  void run(const ops::KernelArgs& args) override {
    kernel_->run(args);
    auto* y = static_cast<float*>(args.dst[0]);
    channel_affine(view_, y, nullptr, static_cast<const float*>(args.src[2]), y);
  }

 private:
  std::unique_ptr<ops::Kernel> kernel_;
  ChannelView view_;
};

// As for the gradient of a convolution with respect to one to three channels, which this is.
std::optional<std::string> slow(const ops::Deconvolution& op, const Geometry& g,
                                std::string_view implementation) {
  const int64_t channels = g.y[1] / op.groups;
  if (channels > 3 || implementation.find("dw") != std::string_view::npos) return std::nullopt;
  return fmt::format("oneDNN's kernel for {} output channel(s) per group is slower than im2col",
                     channels);
}

ops::Answer forward(const KernelRequest& request, const ops::Deconvolution& op,
                    const Context& context) {
  const Geometry g(op, request);
  std::vector<Candidate> candidates;
  for (const Desc& src : source_choices(request.src[0])) {
    if (const auto fixed = desc_of(request.src[1].layout, g.row_major))
      candidates.push_back({src, *fixed, any_desc(g.y)});
    candidates.push_back({src, any_desc(g.w), any_desc(g.y)});
  }
  const auto desc = best_of<Forward::primitive_desc>(
      candidates, [&](const Candidate& c) { return forward_desc(g, c, false, context); });
  if (!desc) return ops::Refusal{"oneDNN has no implementation for this deconvolution"};
  if (grade(desc->impl_info_str()) == 0) return refuse_reference(desc->impl_info_str());
  if (auto why = slow(op, g, desc->impl_info_str())) return ops::Refusal{*why};
  const auto view = ChannelView::of(desc->dst_desc());
  if (op.bias && !view) return ops::Refusal{"the result is not in blocks of channels"};

  ops::Offer offer = blank_offer(request);
  offer.src[0] = layout_of(desc->src_desc());
  offer.src[1] = layout_of(desc->weights_desc(), g.row_major);
  offer.dst[0] = layout_of(desc->dst_desc());
  set_primitive<Forward>(offer, context, *desc,
                         {{DNNL_ARG_SRC, Role::kSrc, 0, desc->src_desc()},
                          {DNNL_ARG_WEIGHTS, Role::kSrc, 1, desc->weights_desc()},
                          {DNNL_ARG_DST, Role::kDst, 0, desc->dst_desc()}});
  if (op.bias) offer.kernel = std::make_unique<WithBias>(std::move(offer.kernel), *view);
  return offer;
}

ops::Answer backward_data(const KernelRequest& request, const ops::Deconvolution& op,
                          const Context& context) {
  const Geometry g(op, request);
  const std::vector<Candidate> candidates = {
      {desc_or_plain(request.src[0]), any_desc(g.w), desc_or_plain(request.dst[0])},
      {any_desc(g.x), any_desc(g.w), any_desc(g.y)}};
  const auto fwd = hint(g, false, context);
  const auto desc = best_of<BackwardData::primitive_desc>(candidates, [&](const Candidate& c) {
    return BackwardData::primitive_desc(
        {kDirect, c.src, c.weights, c.dst, g.stride, g.dilation, g.pad, g.pad}, context.attributes,
        context.engine, fwd);
  });
  if (!desc) return ops::Refusal{"oneDNN has no implementation for this deconvolution's gradient"};
  if (grade(desc->impl_info_str()) == 0) return refuse_reference(desc->impl_info_str());

  ops::Offer offer = blank_offer(request);
  offer.src[1] = layout_of(desc->weights_desc(), g.row_major);
  offer.diff_dst[0] = layout_of(desc->diff_dst_desc());
  offer.diff_src[0] = layout_of(desc->diff_src_desc());
  set_primitive<BackwardData>(offer, context, *desc,
                              {{DNNL_ARG_WEIGHTS, Role::kSrc, 1, desc->weights_desc()},
                               {DNNL_ARG_DIFF_DST, Role::kDiffDst, 0, desc->diff_dst_desc()},
                               {DNNL_ARG_DIFF_SRC, Role::kDiffSrc, 0, desc->diff_src_desc()}});
  return offer;
}

ops::Answer backward_weights(const KernelRequest& request, const ops::Deconvolution& op,
                             const Context& context) {
  if (!request.diff_src[1].present)
    return ops::Refusal{"oneDNN computes no bias gradient without the weights'"};
  const Geometry g(op, request);
  const bool bias = op.bias && request.diff_src[2].present;
  const Desc x = desc_or_plain(request.src[0]), y = desc_or_plain(request.dst[0]);
  std::vector<Candidate> candidates;
  const auto& known = request.diff_src[1].layout ? request.diff_src[1].layout
                                                 : request.src[1].layout;  // where weights live
  if (const auto fixed = desc_of(known, g.row_major)) candidates.push_back({x, *fixed, y});
  candidates.push_back({x, any_desc(g.w), y});
  candidates.push_back({any_desc(g.x), any_desc(g.w), any_desc(g.y)});
  const auto fwd = hint(g, bias, context);
  const auto desc = best_of<BackwardWeights::primitive_desc>(candidates, [&](const Candidate& c) {
    return BackwardWeights::primitive_desc(
        {kDirect, c.src, c.weights, bias ? plain_desc(g.b) : Desc(), c.dst, g.stride, g.dilation,
         g.pad, g.pad},
        context.attributes, context.engine, fwd);
  });
  if (!desc) return ops::Refusal{"oneDNN has no implementation for this deconvolution's gradient"};
  if (grade(desc->impl_info_str()) == 0) return refuse_reference(desc->impl_info_str());

  ops::Offer offer = blank_offer(request);
  offer.src[0] = layout_of(desc->src_desc());
  offer.diff_dst[0] = layout_of(desc->diff_dst_desc());
  offer.diff_src[1] = layout_of(desc->diff_weights_desc(), g.row_major);
  std::vector<Binding> bindings = {
      {DNNL_ARG_SRC, Role::kSrc, 0, desc->src_desc()},
      {DNNL_ARG_DIFF_DST, Role::kDiffDst, 0, desc->diff_dst_desc()},
      {DNNL_ARG_DIFF_WEIGHTS, Role::kDiffSrc, 1, desc->diff_weights_desc()}};
  if (bias) bindings.push_back({DNNL_ARG_DIFF_BIAS, Role::kDiffSrc, 2, plain_desc(g.b)});
  set_primitive<BackwardWeights>(offer, context, *desc, std::move(bindings));
  return offer;
}

ops::Answer deconvolution(const KernelRequest& request, const Context& context) {
  const auto& op = static_cast<const ops::Deconvolution&>(*request.op);
  if (op.kernel.empty() || op.kernel.size() > 3)
    return ops::Refusal{
        fmt::format("oneDNN convolves over 1 to 3 spatial axes, not {}", op.kernel.size())};
  if (request.part == ops::kForward) return forward(request, op, context);
  return request.part == 0 ? backward_data(request, op, context)
                           : backward_weights(request, op, context);
}

CREMA_REGISTER(OneDnnKernelTag, "deconvolution", deconvolution);

}  // namespace
}  // namespace crema::onednn
