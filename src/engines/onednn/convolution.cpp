#include <fmt/format.h>

#include "engines/onednn/kernel.hpp"
#include "ops/linear.hpp"

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

using Forward = dnnl::convolution_forward;
using BackwardData = dnnl::convolution_backward_data;
using BackwardWeights = dnnl::convolution_backward_weights;
constexpr auto kDirect = dnnl::algorithm::convolution_direct;

Forward::primitive_desc forward_desc(const Geometry& g, const Candidate& c, bool bias,
                                     bool training, const Context& context) {
  const auto kind =
      training ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference;
  const Desc b = bias ? plain_desc(g.b) : Desc();
  return {{kind, kDirect, c.src, c.weights, b, c.dst, g.stride, g.dilation, g.pad, g.pad},
          context.attributes,
          context.engine};
}

// oneDNN wants a forward descriptor beside every backward one.
Forward::primitive_desc hint(const Geometry& g, const Context& context) {
  return forward_desc(g, {any_desc(g.x), any_desc(g.w), any_desc(g.y)}, false, true, context);
}

// The source as it is if it is blocked already, else as oneDNN likes it: direct kernels want
// blocked channels, and a plain source costs one reorder.
std::vector<Desc> source_choices(const ops::Operand& x) {
  std::vector<Desc> out;
  if (const auto now = desc_of(x); now && !x.layout->plain()) out.push_back(*now);
  out.push_back(any_desc(x.shape.dims()));
  return out;
}

ops::Answer forward(const KernelRequest& request, const ops::Convolution& op,
                    const Context& context) {
  const Geometry g(op, request);
  const Desc row_major = plain_desc(g.w);
  std::vector<Candidate> candidates;
  for (const Desc& src : source_choices(request.src[0])) {
    if (const auto fixed = desc_of(request.src[1].layout, row_major))
      candidates.push_back({src, *fixed, any_desc(g.y)});
    candidates.push_back({src, any_desc(g.w), any_desc(g.y)});
  }
  const auto desc = best_of<Forward::primitive_desc>(candidates, [&](const Candidate& c) {
    return forward_desc(g, c, op.bias, request.training, context);
  });
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
  set_primitive(offer, context, *desc, Forward(*desc), std::move(bindings));
  return offer;
}

// The gradient with respect to one to three channels runs at a tenth to a half of the speed of
// im2col and a matrix product (measured); depth-wise kernels are another matter.
bool slow_backward_data(const ops::Convolution& op, const KernelRequest& request,
                        std::string_view implementation) {
  const int64_t channels = request.src[0].shape[1] / op.groups;
  return channels <= 3 && implementation.find("dw") == std::string_view::npos;
}

ops::Answer backward_data(const KernelRequest& request, const ops::Convolution& op,
                          const Context& context) {
  const Geometry g(op, request);
  const Desc row_major = plain_desc(g.w);
  const std::vector<Candidate> candidates = {
      {desc_or_plain(request.src[0]), any_desc(g.w), desc_or_plain(request.dst[0])},
      {any_desc(g.x), any_desc(g.w), any_desc(g.y)}};
  const auto fwd = hint(g, context);
  const auto desc = best_of<BackwardData::primitive_desc>(candidates, [&](const Candidate& c) {
    return BackwardData::primitive_desc(
        {kDirect, c.src, c.weights, c.dst, g.stride, g.dilation, g.pad, g.pad}, context.attributes,
        context.engine, fwd);
  });
  if (!desc) return ops::Refusal{"oneDNN has no implementation for this convolution's gradient"};
  if (grade(desc->impl_info_str()) == 0) return refuse_reference(desc->impl_info_str());
  if (slow_backward_data(op, request, desc->impl_info_str()))
    return ops::Refusal{fmt::format(
        "oneDNN's gradient with respect to {} input channel(s) per group is slower than im2col",
        request.src[0].shape[1] / op.groups)};

  ops::Offer offer = blank_offer(request);
  offer.src[1] = layout_of(desc->weights_desc(), row_major);
  offer.diff_dst[0] = layout_of(desc->diff_dst_desc());
  offer.diff_src[0] = layout_of(desc->diff_src_desc());
  set_primitive(offer, context, *desc, BackwardData(*desc),
                {{DNNL_ARG_WEIGHTS, Role::kSrc, 1, desc->weights_desc()},
                 {DNNL_ARG_DIFF_DST, Role::kDiffDst, 0, desc->diff_dst_desc()},
                 {DNNL_ARG_DIFF_SRC, Role::kDiffSrc, 0, desc->diff_src_desc()}});
  return offer;
}

// The AVX2 kernel for the weights of a single input channel takes 3.6 times as long as im2col and a
// matrix product (measured; that for three channels is the faster one, as are those for AVX-512).
bool slow_backward_weights(const KernelRequest& request, std::string_view implementation) {
  return request.src[0].shape[1] == 1 && implementation == "jit:avx2";
}

ops::Answer backward_weights(const KernelRequest& request, const ops::Convolution& op,
                             const Context& context) {
  if (!request.diff_src[1].present)
    return ops::Refusal{"oneDNN computes no bias gradient without the weights'"};
  const Geometry g(op, request);
  const Desc row_major = plain_desc(g.w);
  const bool bias = op.bias && request.diff_src[2].present;
  const Desc x = desc_or_plain(request.src[0]), y = desc_or_plain(request.dst[0]);
  std::vector<Candidate> candidates;
  const auto& known = request.diff_src[1].layout ? request.diff_src[1].layout
                                                 : request.src[1].layout;  // where weights live
  if (const auto fixed = desc_of(known, row_major)) candidates.push_back({x, *fixed, y});
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
  if (slow_backward_weights(request, desc->impl_info_str()))
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
  set_primitive(offer, context, *desc, BackwardWeights(*desc), std::move(bindings));
  return offer;
}

ops::Answer convolution(const KernelRequest& request, const Context& context) {
  const auto& op = static_cast<const ops::Convolution&>(*request.op);
  if (op.kernel.empty() || op.kernel.size() > 3)
    return ops::Refusal{
        fmt::format("oneDNN convolves over 1 to 3 spatial axes, not {}", op.kernel.size())};
  if (request.part == ops::kForward) return forward(request, op, context);
  return request.part == 0 ? backward_data(request, op, context)
                           : backward_weights(request, op, context);
}

CREMA_REGISTER(OneDnnKernelTag, "convolution", convolution);

}  // namespace
}  // namespace crema::onednn
