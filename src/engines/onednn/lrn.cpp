#include "engines/onednn/kernel.hpp"
#include "engines/onednn/lrn_blocks.hpp"
#include "ops/spatial.hpp"

namespace crema::onednn {
namespace {

using ops::KernelRequest;
using Forward = dnnl::lrn_forward;
using Backward = dnnl::lrn_backward;
using Tag = dnnl::memory::format_tag;

struct Pair {
  Forward::primitive_desc forward;
  std::optional<Backward::primitive_desc> backward;  // when training
};

// Both of oneDNN's modes divide alpha as Caffe does: by size, or by size^2 within a channel, where
// Caffe's k is always 1.
Pair describe(const ops::Lrn& op, const Desc& x, bool training, const Context& context) {
  const auto mode = op.within_channel ? dnnl::algorithm::lrn_within_channel
                                      : dnnl::algorithm::lrn_across_channels;
  const float k = op.within_channel ? 1.0f : op.k;
  const auto kind =
      training ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference;
  Pair out;
  out.forward = {
      {kind, mode, x, op.size, op.alpha, op.beta, k}, context.attributes, context.engine};
  if (training)
    out.backward = Backward::primitive_desc({mode, x, x, op.size, op.alpha, op.beta, k},
                                            context.attributes, context.engine, out.forward);
  return out;
}

// The layout the source has, then the blocked ones: on plain channels the backward kernel is a
// loop 240 times slower (measured) than what a reorder to blocks costs.
std::vector<Desc> choices(const ops::Operand& x) {
  std::vector<Desc> out = {desc_or_plain(x)};
  const auto f32 = Type::f32;
  if (x.shape[1] % 16 == 0) out.push_back({x.shape.dims(), f32, Tag::aBcd16b});
  if (x.shape[1] % 8 == 0) out.push_back({x.shape.dims(), f32, Tag::aBcd8b});
  return out;
}

// The first layout for which oneDNN has more than plain loops, forward and (if needed) backward.
ops::Answer forward(const KernelRequest& request, const ops::Lrn& op, const Context& context) {
  std::string last;
  for (const Desc& x : choices(request.src[0])) {
    Pair pair = describe(op, x, request.training, context);
    last = pair.forward.impl_info_str();
    if (grade(last) > 0 && pair.backward) last = pair.backward->impl_info_str();
    if (grade(last) == 0) continue;
    ops::Offer offer = blank_offer(request);
    offer.src[0] = offer.dst[0] = layout_of(x);
    std::vector<Binding> bindings = {{DNNL_ARG_SRC, Role::kSrc, 0, x},
                                     {DNNL_ARG_DST, Role::kDst, 0, x}};
    if (request.training) {
      const Desc workspace = pair.forward.workspace_desc();
      offer.workspace_bytes = workspace.get_size();
      bindings.push_back({DNNL_ARG_WORKSPACE, Role::kWorkspace, 0, workspace});
    }
    set_primitive<Forward>(offer, context, pair.forward, std::move(bindings));
    return offer;
  }
  return refuse_reference(last);
}

ops::Answer backward(const KernelRequest& request, const ops::Lrn& op, const Context& context) {
  const Desc x = desc_or_plain(request.src[0]);
  const Pair pair = describe(op, x, true, context);
  if (grade(pair.backward->impl_info_str()) == 0)
    return refuse_reference(pair.backward->impl_info_str());
  ops::Offer offer = blank_offer(request);
  offer.src[0] = offer.dst[0] = offer.diff_dst[0] = offer.diff_src[0] = layout_of(x);
  set_primitive<Backward>(
      offer, context, *pair.backward,
      {{DNNL_ARG_SRC, Role::kSrc, 0, x},
       {DNNL_ARG_DIFF_DST, Role::kDiffDst, 0, x},
       {DNNL_ARG_DIFF_SRC, Role::kDiffSrc, 0, x},
       {DNNL_ARG_WORKSPACE, Role::kWorkspace, 0, pair.forward.workspace_desc()}});
  return offer;
}

template <class T>
std::unique_ptr<ops::Kernel> block_kernel(const BlockLrn& lrn, bool backwards) {
  return std::make_unique<FunctionKernel>([lrn, backwards](const ops::KernelArgs& a) {
    const auto* from = static_cast<const T*>(a.src[0]);
    auto* scratch = static_cast<float*>(a.scratch);
    if (backwards)
      lrn_backward(lrn, from, static_cast<const T*>(a.diff_dst[0]), static_cast<T*>(a.diff_src[0]),
                   scratch);
    else
      lrn_forward(lrn, from, static_cast<T*>(a.dst[0]), scratch);
  });
}

// Across channels: our own kernel, in the blocks that x has, or in blocks if it is plain. Empty if
// it cannot do it.
std::optional<ops::Offer> in_blocks(const KernelRequest& request, const ops::Lrn& op) {
  const Shape& shape = request.src[0].shape;
  if (op.within_channel || shape.rank() != 4) return std::nullopt;
  Desc x = stored_or_plain(request.src[0]);
  auto view = ChannelView::of(x);
  if (!view || view->flat()) {
    x = {shape.dims(), Type::f32, has_wide_kernels() ? Tag::aBcd16b : Tag::aBcd8b};
    view = ChannelView::of(x);
  }
  BlockLrn lrn;
  lrn.view = *view;
  lrn.reach = (op.size - 1) / 2;
  lrn.base = op.k;
  lrn.factor = op.alpha / static_cast<float>(op.size);
  lrn.beta = op.beta;
  if (!possible(lrn)) return std::nullopt;
  ops::Offer offer = blank_offer(request);
  offer.implementation = "blocked loops";
  offer.scratch_bytes = lrn.scratch_bytes();
  offer.src[0] = offer.dst[0] = layout_of(x);
  const bool backwards = request.part != ops::kForward;
  if (backwards) offer.diff_dst[0] = offer.diff_src[0] = layout_of(x);
  offer.kernel =
      is_bf16(x) ? block_kernel<simd::Bf16>(lrn, backwards) : block_kernel<float>(lrn, backwards);
  return offer;
}

ops::Answer lrn(const KernelRequest& request, const Context& context) {
  const auto& op = static_cast<const ops::Lrn&>(*request.op);
  if (auto offer = in_blocks(request, op)) return std::move(*offer);
  return request.part == ops::kForward ? forward(request, op, context)
                                       : backward(request, op, context);
}

CREMA_REGISTER(OneDnnKernelTag, "lrn", lrn);

}  // namespace
}  // namespace crema::onednn
