#include <fmt/format.h>

#include "engines/onednn/convolution_policy.hpp"
#include "engines/onednn/winograd_kernel.hpp"

namespace crema::onednn {
namespace {

using ops::KernelRequest;

// The convolution in oneDNN's terms: grouped weights have an axis of their own, dilation counts the
// skipped elements.
struct Geometry {
  Dims x, w, b, y, stride, dilation, pad;

  Geometry(const ops::Convolution& op, const KernelRequest& request)
      : x(request.src[0].shape.dims()),
        w(request.src[1].shape.dims()),
        b{w[0]},
        y(request.dst[0].shape.dims()),
        stride(op.stride),
        dilation(op.dilation),
        pad(op.pad) {
    for (auto& d : dilation) --d;
    if (op.groups > 1) {
      w[0] /= op.groups;
      w.insert(w.begin(), op.groups);
    }
  }
};

// Layouts to try: of source, weights and destination.
struct Candidate {
  Desc src, weights, dst;
};
constexpr auto kDirect = dnnl::algorithm::convolution_direct;

using Forward = dnnl::convolution_forward;
using BackwardData = dnnl::convolution_backward_data;
using BackwardWeights = dnnl::convolution_backward_weights;

// Always the training kind: a test net, and a layer that is frozen, compute the same bits.
Forward::primitive_desc forward_desc(const Geometry& g, const Candidate& c, bool bias,
                                     const dnnl::primitive_attr& attributes,
                                     const Context& context) {
  const Desc b = bias ? plain_desc(g.b) : Desc();
  return {{dnnl::prop_kind::forward_training, kDirect, c.src, c.weights, b, c.dst, g.stride,
           g.dilation, g.pad, g.pad},
          attributes,
          context.engine};
}

// oneDNN wants a forward descriptor beside every backward one.
Forward::primitive_desc hint(const Geometry& g, const Context& context) {
  return forward_desc(g, {any_desc(g.x), any_desc(g.w), any_desc(g.y)}, false, context.attributes,
                      context);
}

// Channels last, where oneDNN has kernels that need no padding.
std::optional<Desc> unpadded(const Dims& dims) {
  if (dims.size() != 4) return std::nullopt;
  return Desc(dims, dnnl::memory::data_type::f32, dnnl::memory::format_tag::nhwc);
}

// Source and destination layouts, best first. The source as it is if it is blocked already, else
// as oneDNN likes it: direct kernels want blocked channels, and a plain source costs one reorder.
std::vector<std::pair<Desc, Desc>> activations(const KernelRequest& request, const Geometry& g) {
  std::vector<std::pair<Desc, Desc>> out;
  const ops::Operand& x = request.src[0];
  const auto now = desc_of(x), src = unpadded(g.x), dst = unpadded(g.y);
  const bool plain = x.layout && x.layout->plain();
  // A plain image of one channel is channels last, too.
  const bool last = src && now && *now == *src && !few_channels(g.x[1]);
  if (last || (src && plain && padding_costs(g.x[1], g.y[1]))) out.emplace_back(*src, *dst);
  if (now && !plain) out.emplace_back(*now, any_desc(g.y));
  out.emplace_back(any_desc(g.x), any_desc(g.y));
  return out;
}

std::vector<Candidate> forward_candidates(const KernelRequest& request, const Geometry& g) {
  const auto fixed = desc_of(request.src[1].layout, plain_desc(g.w));
  std::vector<Candidate> out;
  for (const auto& [src, dst] : activations(request, g)) {
    if (fixed) out.push_back({src, *fixed, dst});
    out.push_back({src, any_desc(g.w), dst});
  }
  return out;
}

ops::Answer forward(const KernelRequest& request, const ops::Convolution& op, const ops::Post& post,
                    const Context& context) {
  const Geometry g(op, request);
  const Desc row_major = plain_desc(g.w);
  const auto attributes = attributes_with(post);
  if (!attributes) return ops::Refusal{"no post-op for " + post.function->describe()};
  const auto desc = best_of<Forward::primitive_desc>(
      forward_candidates(request, g),
      [&](const Candidate& c) { return forward_desc(g, c, op.bias, *attributes, context); });
  if (!desc) return ops::Refusal{"oneDNN has no implementation for this convolution"};
  if (grade(desc->impl_info_str()) == 0) return refuse_reference(desc->impl_info_str());

  ops::Offer offer = blank_offer(request);
  offer.src[0] = layout_of(desc->src_desc());
  offer.src[1] = layout_of(desc->weights_desc(), row_major);
  offer.dst[0] = layout_of(desc->dst_desc());
  std::vector<Binding> bindings = {{DNNL_ARG_SRC, Role::kSrc, 0, desc->src_desc()},
                                   {DNNL_ARG_WEIGHTS, Role::kSrc, 1, desc->weights_desc()},
                                   {DNNL_ARG_DST, Role::kDst, 0, desc->dst_desc()}};
  if (op.bias) bindings.push_back({DNNL_ARG_BIAS, Role::kSrc, 2, plain_desc(g.b)});
  set_primitive<Forward>(offer, context, *desc, std::move(bindings));
  if (post.sum) add_in_place(offer, request.src.size() - 1, desc->dst_desc());
  return offer;
}

ops::Answer backward_data(const KernelRequest& request, const ops::Convolution& op,
                          const Context& context) {
  const Geometry g(op, request);
  const Desc row_major = plain_desc(g.w);
  const Desc x = desc_or_plain(request.src[0]), y = desc_or_plain(request.dst[0]);
  const std::vector<Candidate> candidates = {{x, any_desc(g.w), y},
                                             {any_desc(g.x), any_desc(g.w), any_desc(g.y)}};
  const auto fwd = hint(g, context);
  const auto desc = best_of<BackwardData::primitive_desc>(candidates, [&](const Candidate& c) {
    return BackwardData::primitive_desc(
        {kDirect, c.src, c.weights, c.dst, g.stride, g.dilation, g.pad, g.pad}, context.attributes,
        context.engine, fwd);
  });
  if (!desc) return ops::Refusal{"oneDNN has no implementation for this convolution's gradient"};
  if (grade(desc->impl_info_str()) == 0) return refuse_reference(desc->impl_info_str());
  if (slow_backward_data(op, request.src[0].shape, desc->impl_info_str()))
    return ops::Refusal{fmt::format(
        "oneDNN's gradient with respect to {} input channel(s) per group is slower than im2col",
        request.src[0].shape[1] / op.groups)};

  ops::Offer offer = blank_offer(request);
  offer.src[1] = layout_of(desc->weights_desc(), row_major);
  offer.diff_dst[0] = layout_of(desc->diff_dst_desc());
  offer.diff_src[0] = layout_of(desc->diff_src_desc());
  set_primitive<BackwardData>(offer, context, *desc,
                              {{DNNL_ARG_WEIGHTS, Role::kSrc, 1, desc->weights_desc()},
                               {DNNL_ARG_DIFF_DST, Role::kDiffDst, 0, desc->diff_dst_desc()},
                               {DNNL_ARG_DIFF_SRC, Role::kDiffSrc, 0, desc->diff_src_desc()}});
  return offer;
}

ops::Answer backward_weights(const KernelRequest& request, const ops::Convolution& op,
                             const Context& context) {
  if (!request.diff_src[1].present)
    return ops::Refusal{"oneDNN computes no bias gradient without the weights'"};
  const Geometry g(op, request);
  const Desc row_major = plain_desc(g.w);
  const bool bias = op.bias && request.diff_src[2].present;
  const Desc x = desc_or_plain(request.src[0]), y = desc_or_plain(request.dst[0]);
  const auto& known = request.diff_src[1].layout ? request.diff_src[1].layout
                                                 : request.src[1].layout;  // where weights live
  const auto fixed = desc_of(known, row_major);
  std::vector<Candidate> candidates;
  if (fixed) candidates.push_back({x, *fixed, y});
  candidates.push_back({x, any_desc(g.w), y});
  candidates.push_back({any_desc(g.x), any_desc(g.w), any_desc(g.y)});
  const auto fwd = hint(g, context);
  const auto desc = best_of<BackwardWeights::primitive_desc>(candidates, [&](const Candidate& c) {
    return BackwardWeights::primitive_desc(
        {kDirect, c.src, c.weights, bias ? plain_desc(g.b) : Desc(), c.dst, g.stride, g.dilation,
         g.pad, g.pad},
        context.attributes, context.engine, fwd);
  });
  if (!desc) return ops::Refusal{"oneDNN has no implementation for this convolution's gradient"};
  if (grade(desc->impl_info_str()) == 0) return refuse_reference(desc->impl_info_str());
  if (slow_backward_weights(request.src[0].shape, desc->impl_info_str()))
    return ops::Refusal{"oneDNN's AVX2 kernel for one input channel is slower than im2col"};

  ops::Offer offer = blank_offer(request);
  offer.src[0] = layout_of(desc->src_desc());
  offer.diff_dst[0] = layout_of(desc->diff_dst_desc());
  offer.diff_src[1] = layout_of(desc->diff_weights_desc(), row_major);
  std::vector<Binding> bindings = {
      {DNNL_ARG_SRC, Role::kSrc, 0, desc->src_desc()},
      {DNNL_ARG_DIFF_DST, Role::kDiffDst, 0, desc->diff_dst_desc()},
      {DNNL_ARG_DIFF_WEIGHTS, Role::kDiffSrc, 1, desc->diff_weights_desc()}};
  if (bias) bindings.push_back({DNNL_ARG_DIFF_BIAS, Role::kDiffSrc, 2, plain_desc(g.b)});
  set_primitive<BackwardWeights>(offer, context, *desc, std::move(bindings));
  return offer;
}

std::optional<ops::Refusal> unfit(const ops::Convolution& op) {
  if (!op.kernel.empty() && op.kernel.size() <= 3) return std::nullopt;
  return ops::Refusal{
      fmt::format("oneDNN convolves over 1 to 3 spatial axes, not {}", op.kernel.size())};
}

ops::Answer convolution(const KernelRequest& request, const Context& context) {
  const auto& op = static_cast<const ops::Convolution&>(*request.op);
  if (auto refusal = unfit(op)) return *refusal;
  if (const auto w = winograd_for(op, request.src[0].shape, request.dst[0].shape))
    return winograd(request, op, {}, *w);
  if (request.part == ops::kForward) return forward(request, op, {}, context);
  return request.part == 0 ? backward_data(request, op, context)
                           : backward_weights(request, op, context);
}

ops::Answer fused_convolution(const KernelRequest& request, const Context& context) {
  const auto& op = static_cast<const ops::FusedConvolution&>(*request.op);
  if (auto refusal = unfit(op.convolution)) return *refusal;
  if (const auto w = winograd_for(op.convolution, request.src[0].shape, request.dst[0].shape))
    return winograd(request, op.convolution, op.post, *w);
  return forward(request, op.convolution, op.post, context);
}

CREMA_REGISTER(OneDnnKernelTag, "convolution", convolution);
CREMA_REGISTER(OneDnnKernelTag, "fused_convolution", fused_convolution);

}  // namespace
}  // namespace crema::onednn
