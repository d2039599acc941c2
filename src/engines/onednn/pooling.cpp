#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "engines/onednn/kernel.hpp"
#include "engines/onednn/max_pooling.hpp"
#include "ops/spatial.hpp"

namespace crema::onednn {
namespace {

using ops::KernelRequest;
using Forward = dnnl::pooling_forward;
using Backward = dnnl::pooling_backward;

// One spatial axis of the pooling.
struct Axis {
  int64_t in, out, kernel, stride, pad;

  int64_t reach() const { return (out - 1) * stride + kernel - pad; }  // end of the last window
  // What oneDNN must add at the bottom or right so that it counts `out` windows.
  int64_t pad_after() const { return std::max<int64_t>(0, reach() - in); }
  bool crosses_border() const { return reach() > in + pad; }
  bool outside() const { return (out - 1) * stride - pad >= in; }
};

struct Geometry {
  Axis h, w;

  Geometry(const ops::Pooling& op, const Shape& x)
      : h{x[2], op.out_h, op.kernel_h, op.stride_h, op.pad_h},
        w{x[3], op.out_w, op.kernel_w, op.stride_w, op.pad_w} {}
};

// Where oneDNN's windows are not Caffe's. Caffe divides an average by the part of the window inside
// the padded image; oneDNN by the part inside the image, or by the whole window.
std::optional<std::string> difference(const ops::Pooling& op, const Geometry& g) {
  if (op.method == ops::PoolMethod::kStochastic || op.method == ops::PoolMethod::kWeighted)
    return "oneDNN has no stochastic pooling";
  if (op.mask) return "oneDNN gives no positions of the maxima";
  if (g.h.outside() || g.w.outside()) return "a window lies entirely outside the image";
  if (g.h.pad_after() >= g.h.kernel || g.w.pad_after() >= g.w.kernel)
    return "the padding after the image is as large as the kernel";
  const bool any_pad = op.pad_h > 0 || op.pad_w > 0;
  if (op.method == ops::PoolMethod::kAverage && any_pad &&
      (g.h.crosses_border() || g.w.crosses_border()))
    return "an average over a window that crosses the padded border has another divisor";
  return std::nullopt;
}

dnnl::algorithm algorithm_of(const ops::Pooling& op) {
  if (op.method == ops::PoolMethod::kMax) return dnnl::algorithm::pooling_max;
  return op.pad_h > 0 || op.pad_w > 0 ? dnnl::algorithm::pooling_avg_include_padding
                                      : dnnl::algorithm::pooling_avg_exclude_padding;
}

Forward::primitive_desc forward_desc(const ops::Pooling& op, const Geometry& g,
                                     const KernelRequest& request, bool training,
                                     const Context& context) {
  const auto kind =
      training ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference;
  const Desc x = stored_or_plain(request.src[0]);
  return {{kind,
           algorithm_of(op),
           x,
           any_desc(request.dst[0].shape.dims(), x.data_type()),
           {op.stride_h, op.stride_w},
           {op.kernel_h, op.kernel_w},
           {op.pad_h, op.pad_w},
           {g.h.pad_after(), g.w.pad_after()}},
          context.attributes,
          context.engine};
}

Backward::primitive_desc backward_desc(const ops::Pooling& op, const Geometry& g,
                                       const Forward::primitive_desc& forward,
                                       const Context& context) {
  return {{algorithm_of(op),
           forward.src_desc(),
           forward.dst_desc(),
           {op.stride_h, op.stride_w},
           {op.kernel_h, op.kernel_w},
           {op.pad_h, op.pad_w},
           {g.h.pad_after(), g.w.pad_after()}},
          context.attributes,
          context.engine,
          forward};
}

// Whether max_pooling.hpp takes it: blocked channels, and no AVX-512.
std::optional<MaxPooling> own_maximum(const ops::Pooling& op, const KernelRequest& request,
                                      const Desc& x, const Desc& y) {
  if (op.method != ops::PoolMethod::kMax || has_wide_kernels() || is_bf16(x)) return std::nullopt;
  const auto src = ChannelView::of(x), dst = ChannelView::of(y);
  const bool fits = src && dst && src->blocked() && dst->blocked() && src->lanes == dst->lanes;
  const Shape& shape = request.src[0].shape;
  if (!fits || src->positions > std::numeric_limits<int32_t>::max()) return std::nullopt;
  return MaxPooling{*src, *dst, shape[2], shape[3], op};
}

ops::Offer offer_own(const KernelRequest& request, const MaxPooling& p, const Desc& x,
                     const Desc& y) {
  ops::Offer offer = blank_offer(request);
  offer.implementation = "blocked loops";
  if (request.part == ops::kForward) {
    offer.src[0] = layout_of(x);
    offer.dst[0] = layout_of(y);
    if (request.training) offer.workspace_bytes = p.position_bytes();
    offer.kernel = std::make_unique<FunctionKernel>([p, keep = request.training](const auto& a) {
      max_pool(p, static_cast<const float*>(a.src[0]), static_cast<float*>(a.dst[0]),
               keep ? static_cast<int32_t*>(a.workspace) : nullptr);
    });
  } else {
    offer.diff_dst[0] = layout_of(y);
    offer.diff_src[0] = layout_of(x);
    offer.kernel = std::make_unique<FunctionKernel>([p](const auto& a) {
      max_pool_gradient(p, static_cast<const int32_t*>(a.workspace),
                        static_cast<const float*>(a.diff_dst[0]),
                        static_cast<float*>(a.diff_src[0]));
    });
  }
  return offer;
}

ops::Answer pooling(const KernelRequest& request, const Context& context) {
  const auto& op = static_cast<const ops::Pooling&>(*request.op);
  const Geometry g(op, request.src[0].shape);
  if (auto why = difference(op, g)) return ops::Refusal{*why};
  const bool backward = request.part != ops::kForward;
  const bool training = request.training || backward;
  const auto fwd = forward_desc(op, g, request, training, context);
  if (grade(fwd.impl_info_str()) == 0) return refuse_reference(fwd.impl_info_str());
  if (const auto own = own_maximum(op, request, fwd.src_desc(), fwd.dst_desc()))
    return offer_own(request, *own, fwd.src_desc(), fwd.dst_desc());

  ops::Offer offer = blank_offer(request);
  const bool keeps = op.method == ops::PoolMethod::kMax && training;
  const Desc workspace = keeps ? fwd.workspace_desc() : Desc();
  std::vector<Binding> bindings;
  if (keeps) bindings.push_back({DNNL_ARG_WORKSPACE, Role::kWorkspace, 0, workspace});
  if (training) {
    const auto bwd = backward_desc(op, g, fwd, context);
    if (grade(bwd.impl_info_str()) == 0) return refuse_reference(bwd.impl_info_str());
    if (backward) {
      offer.diff_dst[0] = layout_of(bwd.diff_dst_desc());
      offer.diff_src[0] = layout_of(bwd.diff_src_desc());
      bindings.push_back({DNNL_ARG_DIFF_DST, Role::kDiffDst, 0, bwd.diff_dst_desc()});
      bindings.push_back({DNNL_ARG_DIFF_SRC, Role::kDiffSrc, 0, bwd.diff_src_desc()});
      set_primitive<Backward>(offer, context, bwd, std::move(bindings));
      return offer;
    }
  }
  offer.src[0] = layout_of(fwd.src_desc());
  offer.dst[0] = layout_of(fwd.dst_desc());
  if (keeps) offer.workspace_bytes = workspace.get_size();
  bindings.push_back({DNNL_ARG_SRC, Role::kSrc, 0, fwd.src_desc()});
  bindings.push_back({DNNL_ARG_DST, Role::kDst, 0, fwd.dst_desc()});
  set_primitive<Forward>(offer, context, fwd, std::move(bindings));
  return offer;
}

CREMA_REGISTER(OneDnnKernelTag, "pooling", pooling);

}  // namespace
}  // namespace crema::onednn
