#include <fmt/format.h>

#include "engines/onednn/post.hpp"
#include "engines/onednn/weight_pieces.hpp"

namespace crema::onednn {
namespace {

using ops::KernelRequest;
using Forward = dnnl::inner_product_forward;
using BackwardData = dnnl::inner_product_backward_data;
using BackwardWeights = dnnl::inner_product_backward_weights;

// The product in oneDNN's terms. A blocked source keeps its axes (N, C, H, W), and the weights get
// the same ones, so that nothing has to be unblocked first; any other is a matrix of rows.
//
// With `type` bf16, factors are rounded; results, biases and gradients stay single precision: they
// are small beside the weights. The kernels for bf16 want a matrix of rows.
struct Geometry {
  Type type;          // of the factors
  Desc x, w, b, y;    // plain memory, under oneDNN's axes
  Desc src = Desc();  // the source as it lies
  bool blocked = false;

  Geometry(const ops::InnerProduct& op, const KernelRequest& request, Type type,
           bool unblocked = false)
      : type(type) {
    const Shape& from = request.src[0].shape;
    const int64_t rows = from.count(0, op.axis), width = from.count(op.axis);
    const int64_t outputs = request.src[1].shape[op.transpose ? 1 : 0];
    Dims x_dims = {rows, width}, w_dims = {outputs, width};
    if (type == Type::f32 && !unblocked && keeps_axes(op, request.src[0])) {
      blocked = true;
      x_dims = w_dims = from.dims();
      w_dims[0] = outputs;
    }
    x = plain_desc(x_dims);
    w = plain_desc(w_dims);
    if (op.transpose) w = transposed(w_dims);
    b = plain_desc(Dims{outputs});
    y = plain_desc(Dims{rows, outputs});
    src = blocked ? desc_of(request.src[0]).value() : x;
  }

  Desc factor(const Desc& desc) const { return as(desc, type); }
  Desc any_weights() const { return any_desc(w.dims(), type); }

  // Padded channels would have to be multiplied too: unblocking is cheaper.
  static bool keeps_axes(const ops::InnerProduct& op, const ops::Operand& x) {
    const int rank = x.shape.rank();
    if (op.axis != 1 || rank < 3 || rank > 5 || !x.layout || x.layout->plain()) return false;
    const auto now = desc_of(x);
    return now && !padded(*now);
  }

  // Weights stored as (K, N).
  static Desc transposed(const Dims& dims) {
    Dims strides(dims.size(), 1);
    int64_t step = dims[0];
    for (size_t i = dims.size() - 1; i > 0; --i) {
      strides[i] = step;
      step *= dims[i];
    }
    return {dims, Type::f32, strides};
  }
};

// Weight layouts to try: where they are; plain; and where oneDNN has a blocked kernel ("brgemm"),
// its own. Through plain gemm oneDNN asks for transposed weights at no gain worth a second copy of
// them for the backward pass.
std::vector<Desc> gradient_choices(const Geometry& g, const std::optional<Layout>& known) {
  std::vector<Desc> out;
  if (const auto now = desc_of(known, g.w)) out.push_back(*now);
  if (!g.blocked) out.push_back(g.w);
  out.push_back(any_desc(g.w.dims()));
  return out;
}
// The same for weights as a factor: of bf16 a copy is made in any case.
std::vector<Desc> weight_choices(const Geometry& g, const std::optional<Layout>& known) {
  if (g.type == Type::bf16) return {g.any_weights()};
  return gradient_choices(g, known);
}

Forward::primitive_desc hint(const Geometry& g, const Context& context) {
  return {{dnnl::prop_kind::forward_training, g.factor(g.src), g.any_weights(), g.y},
          context.attributes,
          context.engine};
}

std::optional<BackwardWeights::primitive_desc> weight_gradient(const Geometry& g,
                                                               const std::vector<Desc>& choices,
                                                               bool bias, const Context& context) {
  const auto fwd = hint(g, context);
  return best_of<BackwardWeights::primitive_desc>(choices, [&](const Desc& weights) {
    return BackwardWeights::primitive_desc(
        {g.factor(g.src), weights, bias ? g.b : Desc(), g.factor(g.y)}, context.attributes,
        context.engine, fwd);
  });
}

// Weights that are read as bf16 rest as their gradient comes out.
Layout resting_weights(const Geometry& g, const Context& context) {
  const auto desc = weight_gradient(g, {any_desc(g.w.dims())}, false, context);
  return desc ? layout_of(desc->diff_weights_desc(), g.w) : Layout();
}

std::optional<Forward::primitive_desc> forward_desc(const Geometry& g, const KernelRequest& request,
                                                    bool bias,
                                                    const dnnl::primitive_attr& attributes,
                                                    const Context& context) {
  const auto choices = weight_choices(g, request.src[1].layout);
  // Always the training kind: a test net, and a layer that is frozen, compute the same bits.
  return best_of<Forward::primitive_desc>(choices, [&](const Desc& weights) {
    return Forward::primitive_desc(
        {dnnl::prop_kind::forward_training, g.factor(g.src), weights, bias ? g.b : Desc(), g.y},
        attributes, context.engine);
  });
}

// Where a blocked source has only a plain product, whose gradient of the source takes several times
// as long for large weights, it is worth unblocking.
ops::Answer forward(const KernelRequest& request, const ops::InnerProduct& op,
                    const ops::Post& post, Type type, const Context& context) {
  Geometry g(op, request, type);
  const auto attributes = attributes_with(post);
  if (!attributes) return ops::Refusal{"no post-op for " + post.function->describe()};
  auto desc = forward_desc(g, request, op.bias, *attributes, context);
  if (g.blocked && (!desc || grade(desc->impl_info_str()) < 2)) {
    const Geometry plain(op, request, type, true);
    const auto other = forward_desc(plain, request, op.bias, *attributes, context);
    if (other && (!desc || grade(other->impl_info_str()) == 2)) g = plain, desc = other;
  }
  if (!desc) return ops::Refusal{"oneDNN has no implementation for this inner product"};
  if (grade(desc->impl_info_str()) == 0) return refuse_reference(desc->impl_info_str());

  ops::Offer offer = blank_offer(request);
  offer.src[0] = layout_of(desc->src_desc(), g.x);
  offer.src[1] = layout_of(desc->weights_desc(), g.w);
  if (g.type == Type::bf16) offer.at_rest[1] = resting_weights(g, context);
  std::vector<Binding> bindings = {{DNNL_ARG_SRC, Role::kSrc, 0, desc->src_desc()},
                                   {DNNL_ARG_WEIGHTS, Role::kSrc, 1, desc->weights_desc()},
                                   {DNNL_ARG_DST, Role::kDst, 0, desc->dst_desc()}};
  if (op.bias) bindings.push_back({DNNL_ARG_BIAS, Role::kSrc, 2, g.b});
  set_primitive<Forward>(offer, context, *desc, std::move(bindings));
  return offer;
}

ops::Answer backward_data(const KernelRequest& request, const Geometry& g, const Context& context) {
  const auto fwd = hint(g, context);
  const auto choices = weight_choices(g, request.src[1].layout);
  const auto desc = best_of<BackwardData::primitive_desc>(choices, [&](const Desc& weights) {
    return BackwardData::primitive_desc({g.src, weights, g.factor(g.y)}, context.attributes,
                                        context.engine, fwd);
  });
  if (!desc) return ops::Refusal{"oneDNN has no implementation for this inner product's gradient"};
  if (grade(desc->impl_info_str()) == 0) return refuse_reference(desc->impl_info_str());

  ops::Offer offer = blank_offer(request);
  offer.src[1] = layout_of(desc->weights_desc(), g.w);
  offer.diff_dst[0] = layout_of(desc->diff_dst_desc(), g.y);
  offer.diff_src[0] = layout_of(desc->diff_src_desc(), g.x);
  set_primitive<BackwardData>(offer, context, *desc,
                              {{DNNL_ARG_WEIGHTS, Role::kSrc, 1, desc->weights_desc()},
                               {DNNL_ARG_DIFF_DST, Role::kDiffDst, 0, desc->diff_dst_desc()},
                               {DNNL_ARG_DIFF_SRC, Role::kDiffSrc, 0, desc->diff_src_desc()}});
  return offer;
}

ops::Answer backward_weights(const KernelRequest& request, const ops::InnerProduct& op,
                             const Geometry& g, const Context& context) {
  if (!request.diff_src[1].present)
    return ops::Refusal{"oneDNN computes no bias gradient without the weights'"};
  const bool bias = op.bias && request.diff_src[2].present;
  const auto& known =
      request.diff_src[1].layout ? request.diff_src[1].layout : request.src[1].layout;
  const auto desc = weight_gradient(g, gradient_choices(g, known), bias, context);
  if (!desc) return ops::Refusal{"oneDNN has no implementation for this inner product's gradient"};
  if (grade(desc->impl_info_str()) == 0) return refuse_reference(desc->impl_info_str());

  ops::Offer offer = blank_offer(request);
  offer.src[0] = layout_of(desc->src_desc(), g.x);
  offer.diff_dst[0] = layout_of(desc->diff_dst_desc(), g.y);
  offer.diff_src[1] = layout_of(desc->diff_weights_desc(), g.w);
  std::vector<Binding> bindings = {
      {DNNL_ARG_SRC, Role::kSrc, 0, desc->src_desc()},
      {DNNL_ARG_DIFF_DST, Role::kDiffDst, 0, desc->diff_dst_desc()},
      {DNNL_ARG_DIFF_WEIGHTS, Role::kDiffSrc, 1, desc->diff_weights_desc()}};
  if (bias) bindings.push_back({DNNL_ARG_DIFF_BIAS, Role::kDiffSrc, 2, g.b});
  set_primitive<BackwardWeights>(offer, context, *desc, std::move(bindings));
  const bool as_it_is = request.diff_src[1].layout.value_or(offer.diff_src[1]) == offer.diff_src[1];
  const bool rounded = desc->src_desc().data_type() != dnnl::memory::data_type::f32;
  if (!request.in_pieces || !as_it_is || rounded) return offer;
  if (const auto pieces = WeightPieces::of(desc->src_desc(), desc->diff_weights_desc(), g.y))
    offer_pieces(offer, *pieces, bias, *desc, context);
  return offer;
}

ops::Answer product(const KernelRequest& request, const ops::InnerProduct& op,
                    const ops::Post& post, Type type, const Context& context) {
  if (request.part == ops::kForward) return forward(request, op, post, type, context);
  const Geometry g(op, request, type);
  return request.part == 0 ? backward_data(request, g, context)
                           : backward_weights(request, op, g, context);
}

// With factors in bf16 where they may be and oneDNN has a direct kernel, else in single precision.
ops::Answer answer(const KernelRequest& request, const ops::InnerProduct& op, const ops::Post& post,
                   const Context& context) {
  // What a pass saves must be worth the rounded copies of the weights.
  constexpr int64_t kEnoughRows = 16, kEnoughWeights = int64_t{1} << 20;
  const bool faster = request.src[0].shape.count(0, op.axis) >= kEnoughRows &&
                      request.src[1].shape.count() >= kEnoughWeights;
  return in_precision(request, faster,
                      [&](Type type) { return product(request, op, post, type, context); });
}

ops::Answer inner_product(const KernelRequest& request, const Context& context) {
  return answer(request, static_cast<const ops::InnerProduct&>(*request.op), {}, context);
}

ops::Answer fused_inner_product(const KernelRequest& request, const Context& context) {
  const auto& op = static_cast<const ops::FusedInnerProduct&>(*request.op);
  if (op.post.sum) return ops::Refusal{"no sum after an inner product"};
  return answer(request, op.product, op.post, context);
}

CREMA_REGISTER(OneDnnKernelTag, "inner_product", inner_product);
CREMA_REGISTER(OneDnnKernelTag, "fused_inner_product", fused_inner_product);

}  // namespace
}  // namespace crema::onednn
