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

// Always the training kind: a test net, and a layer that is frozen, compute the same bits. Biases
// are single precision.
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
Forward::primitive_desc hint(const Geometry& g, Type type, const Context& context) {
  return forward_desc(g, {any_desc(g.x, type), any_desc(g.w, type), any_desc(g.y, type)}, false,
                      context.attributes, context);
}

// Channels last, where oneDNN has kernels that need no padding.
std::optional<Desc> unpadded(const Dims& dims, Type type) {
  if (dims.size() != 4) return std::nullopt;
  return Desc(dims, type, dnnl::memory::format_tag::nhwc);
}

// Source and destination layouts, best first. The source as it is if it is blocked already, else
// as oneDNN likes it: direct kernels want blocked channels, and a plain source costs one reorder.
std::vector<std::pair<Desc, Desc>> activations(const KernelRequest& request, const Geometry& g,
                                               Type type) {
  std::vector<std::pair<Desc, Desc>> out;
  const ops::Operand& x = request.src[0];
  auto now = desc_of(x);
  if (now) now = as(*now, type);
  const auto src = unpadded(g.x, type), dst = unpadded(g.y, type);
  const bool plain = x.layout && x.layout->plain();
  // A plain image of one channel is channels last, too.
  const bool last = src && now && *now == *src && !few_channels(g.x[1]);
  if (last || (src && plain && padding_costs(g.x[1], g.y[1]))) out.emplace_back(*src, *dst);
  if (now && !plain) out.emplace_back(*now, any_desc(g.y, type));
  out.emplace_back(any_desc(g.x, type), any_desc(g.y, type));
  return out;
}

std::vector<Candidate> forward_candidates(const KernelRequest& request, const Geometry& g,
                                          Type type) {
  const auto fixed = desc_of(request.src[1].layout, plain_desc(g.w));
  std::vector<Candidate> out;
  for (const auto& [src, dst] : activations(request, g, type)) {
    if (fixed && type == Type::f32) out.push_back({src, *fixed, dst});
    out.push_back({src, any_desc(g.w, type), dst});
  }
  return out;
}

template <class PrimitiveDesc>
std::optional<ops::Refusal> unusable(const std::optional<PrimitiveDesc>& desc, const char* what) {
  if (!desc) return ops::Refusal{fmt::format("oneDNN has no implementation for {}", what)};
  if (grade(desc->impl_info_str()) == 0) return refuse_reference(desc->impl_info_str());
  return std::nullopt;
}

constexpr const char* kGradient = "this convolution's gradient";

// Weights that are read as bf16 rest as their gradient comes out, by the kernel for bf16 if that is
// a direct one.
Layout resting_weights(const Geometry& g, const Forward::primitive_desc& forward,
                       const Context& context) {
  for (const Type type : {Type::bf16, Type::f32}) {
    try {
      const BackwardWeights::primitive_desc desc(
          {kDirect, as(forward.src_desc(), type), any_desc(g.w), as(forward.dst_desc(), type),
           g.stride, g.dilation, g.pad, g.pad},
          context.attributes, context.engine, hint(g, type, context));
      if (grade(desc.impl_info_str()) == 2)
        return layout_of(desc.diff_weights_desc(), plain_desc(g.w));
    } catch (const dnnl::error&) {  // this combination does not exist
    }
  }
  return Layout();
}

ops::Answer forward(const KernelRequest& request, const ops::Convolution& op, const ops::Post& post,
                    Type type, const Context& context) {
  const Geometry g(op, request);
  const Desc row_major = plain_desc(g.w);
  const auto attributes = attributes_with(post);
  if (!attributes) return ops::Refusal{"no post-op for " + post.function->describe()};
  const auto desc = best_of<Forward::primitive_desc>(
      forward_candidates(request, g, type),
      [&](const Candidate& c) { return forward_desc(g, c, op.bias, *attributes, context); });
  if (auto refusal = unusable(desc, "this convolution")) return *refusal;

  ops::Offer offer = blank_offer(request);
  offer.src[0] = layout_of(desc->src_desc());
  offer.src[1] = layout_of(desc->weights_desc(), row_major);
  offer.dst[0] = layout_of(desc->dst_desc());
  if (type == Type::bf16) offer.at_rest[1] = resting_weights(g, *desc, context);
  std::vector<Binding> bindings = {{DNNL_ARG_SRC, Role::kSrc, 0, desc->src_desc()},
                                   {DNNL_ARG_WEIGHTS, Role::kSrc, 1, desc->weights_desc()},
                                   {DNNL_ARG_DST, Role::kDst, 0, desc->dst_desc()}};
  if (op.bias) bindings.push_back({DNNL_ARG_BIAS, Role::kSrc, 2, plain_desc(g.b)});
  set_primitive<Forward>(offer, context, *desc, std::move(bindings));
  if (post.sum) add_in_place(offer, request.src.size() - 1, desc->dst_desc());
  return offer;
}

ops::Answer backward_data(const KernelRequest& request, const ops::Convolution& op, Type type,
                          const Context& context) {
  const Geometry g(op, request);
  const Desc row_major = plain_desc(g.w);
  const Desc x = as(desc_or_plain(request.src[0]), type),
             y = as(desc_or_plain(request.dst[0]), type), w = any_desc(g.w, type);
  const std::vector<Candidate> candidates = {{x, w, y},
                                             {any_desc(g.x, type), w, any_desc(g.y, type)}};
  const auto fwd = hint(g, type, context);
  const auto desc = best_of<BackwardData::primitive_desc>(candidates, [&](const Candidate& c) {
    return BackwardData::primitive_desc(
        {kDirect, c.src, c.weights, c.dst, g.stride, g.dilation, g.pad, g.pad}, context.attributes,
        context.engine, fwd);
  });
  if (auto refusal = unusable(desc, kGradient)) return *refusal;
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

// The gradients of weights and biases are single precision.
ops::Answer backward_weights(const KernelRequest& request, const ops::Convolution& op, Type type,
                             const Context& context) {
  if (!request.diff_src[1].present)
    return ops::Refusal{"oneDNN computes no bias gradient without the weights'"};
  const Geometry g(op, request);
  const Desc row_major = plain_desc(g.w);
  const bool bias = op.bias && request.diff_src[2].present;
  const Desc x = as(desc_or_plain(request.src[0]), type),
             y = as(desc_or_plain(request.dst[0]), type);
  const auto& known = request.diff_src[1].layout ? request.diff_src[1].layout
                                                 : request.src[1].layout;  // where weights live
  const auto fixed = desc_of(known, row_major);
  std::vector<Candidate> candidates;
  if (fixed) candidates.push_back({x, *fixed, y});
  candidates.push_back({x, any_desc(g.w), y});
  candidates.push_back({any_desc(g.x, type), any_desc(g.w), any_desc(g.y, type)});
  const auto fwd = hint(g, type, context);
  const auto desc = best_of<BackwardWeights::primitive_desc>(candidates, [&](const Candidate& c) {
    return BackwardWeights::primitive_desc(
        {kDirect, c.src, c.weights, bias ? plain_desc(g.b) : Desc(), c.dst, g.stride, g.dilation,
         g.pad, g.pad},
        context.attributes, context.engine, fwd);
  });
  if (auto refusal = unusable(desc, kGradient)) return *refusal;
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

ops::Answer direct(const KernelRequest& request, const ops::Convolution& op, const ops::Post& post,
                   Type type, const Context& context) {
  if (request.part == ops::kForward) return forward(request, op, post, type, context);
  return request.part == 0 ? backward_data(request, op, type, context)
                           : backward_weights(request, op, type, context);
}

ops::Answer answer(const KernelRequest& request, const ops::Convolution& op, const ops::Post& post,
                   const Context& context) {
  if (auto refusal = unfit(op)) return *refusal;
  const Shape &x = request.src[0].shape, &y = request.dst[0].shape;
  const auto w = winograd_for(op, x, y);
  const bool faster = w ? !beats_bf16(*w) : gains_by_bf16(op, x, request.src[1].shape, y);
  return in_precision(request, faster, [&](Type type) -> ops::Answer {
    if (w && type == Type::f32) return winograd(request, op, post, *w);
    return direct(request, op, post, type, context);
  });
}

ops::Answer convolution(const KernelRequest& request, const Context& context) {
  return answer(request, static_cast<const ops::Convolution&>(*request.op), {}, context);
}

ops::Answer fused_convolution(const KernelRequest& request, const Context& context) {
  const auto& op = static_cast<const ops::FusedConvolution&>(*request.op);
  return answer(request, op.convolution, op.post, context);
}

CREMA_REGISTER(OneDnnKernelTag, "convolution", convolution);
CREMA_REGISTER(OneDnnKernelTag, "fused_convolution", fused_convolution);

}  // namespace
}  // namespace crema::onednn
