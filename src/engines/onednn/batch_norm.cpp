#include <algorithm>
#include <cmath>

#include "engines/onednn/channels.hpp"
#include "engines/onednn/kernel.hpp"
#include "ops/statistics.hpp"

namespace crema::onednn {
namespace {

using dnnl::normalization_flags;
using dnnl::prop_kind;
using ops::KernelArgs;
using ops::KernelRequest;
using Forward = dnnl::batch_normalization_forward;
using Backward = dnnl::batch_normalization_backward;

// Workspace: mean (C), then variance (C) of the batch; with global statistics 1/sqrt(variance +
// eps) in the second place. Each part begins at a multiple of 64 bytes.
size_t statistics_bytes(int64_t channels) {
  return (static_cast<size_t>(channels) * sizeof(float) + 63) / 64 * 64;
}

// What the forward kernel does around the primitive, which knows neither sums nor factors.
struct Statistics {
  int64_t channels = 0;
  double fraction = 0, unbiased = 1, eps = 0;

  // mean_sum, variance_sum and factor, after a batch; null ones are frozen.
  void accumulate(const KernelArgs& args, const float* mean, const float* variance) const {
    add(args.mutated[1], mean, 1);
    add(args.mutated[2], variance, unbiased);
    if (auto* factor = static_cast<float*>(args.mutated[3]))
      *factor = static_cast<float>(fraction * static_cast<double>(*factor) + 1);
  }

  void add(void* sums, const float* values, double weight) const {
    auto* sum = static_cast<float*>(sums);
    for (int64_t c = 0; sum != nullptr && c < channels; ++c)
      sum[c] = static_cast<float>(fraction * static_cast<double>(sum[c]) +
                                  weight * static_cast<double>(values[c]));
  }

  // Means and variances from the sums.
  void resolve(const KernelArgs& args, float* mean, float* variance) const {
    const float factor = *static_cast<const float*>(args.src[3]);
    const double weight = factor == 0 ? 0 : 1 / static_cast<double>(factor);
    for (int64_t c = 0; c < channels; ++c) {
      mean[c] = static_cast<float>(weight * static_cast<const float*>(args.src[1])[c]);
      variance[c] = static_cast<float>(weight * static_cast<const float*>(args.src[2])[c]);
    }
  }

  void invert(const float* variance, float* inverse) const {
    for (int64_t c = 0; c < channels; ++c)
      inverse[c] = static_cast<float>(1 / std::sqrt(static_cast<double>(variance[c]) + eps));
  }
};

class BatchKernel final : public ops::Kernel {
 public:
  BatchKernel(Call call, Statistics statistics, Role where)
      : call_(std::move(call)), statistics_(statistics), where_(where) {}

  void run(const KernelArgs& args) override {
    call_.run(args);
    const auto second = static_cast<int64_t>(statistics_bytes(statistics_.channels));
    statistics_.accumulate(args, static_cast<const float*>(address(args, where_, 0)),
                           static_cast<const float*>(address(args, where_, second)));
  }

 private:
  Call call_;
  Statistics statistics_;
  Role where_;
};

class GlobalKernel final : public ops::Kernel {
 public:
  GlobalKernel(Call call, Statistics statistics, bool training)
      : call_(std::move(call)), statistics_(statistics), training_(training) {}

  void run(const KernelArgs& args) override {
    const auto second = static_cast<int64_t>(statistics_bytes(statistics_.channels));
    auto* mean = static_cast<float*>(address(args, Role::kScratch, 0));
    auto* variance = static_cast<float*>(address(args, Role::kScratch, second));
    statistics_.resolve(args, mean, variance);
    call_.run(args);
    if (training_) statistics_.invert(variance, static_cast<float*>(args.workspace));
  }

 private:
  Call call_;
  Statistics statistics_;
  bool training_;
};

// The gradient through constant statistics: a factor per channel.
class GlobalGradient final : public ops::Kernel {
 public:
  explicit GlobalGradient(ChannelView view) : view_(view) {}
  void run(const KernelArgs& args) override {
    channel_affine(view_, static_cast<const float*>(args.diff_dst[0]),
                   static_cast<const float*>(args.workspace), nullptr,
                   static_cast<float*>(args.diff_src[0]));
  }

 private:
  ChannelView view_;
};

Statistics statistics_of(const ops::BatchNorm& op, const Shape& x) {
  Statistics out;
  out.channels = x[1];
  out.fraction = op.fraction;
  const auto m = static_cast<double>(x.count() / x[1]);
  out.unbiased = m > 1 ? m / (m - 1) : 1;
  out.eps = op.eps;
  return out;
}

Forward::primitive_desc forward_desc(const ops::BatchNorm& op, const Desc& x,
                                     const Context& context) {
  // With batch statistics the "training" primitive is wanted even in a test net: Caffe updates its
  // sums there too.
  const auto kind = op.use_global ? prop_kind::forward_inference : prop_kind::forward_training;
  const auto flags =
      op.use_global ? normalization_flags::use_global_stats : normalization_flags::none;
  return {{kind, x, op.eps, flags}, context.attributes, context.engine};
}

Backward::primitive_desc backward_desc(const ops::BatchNorm& op, const Desc& x,
                                       const Forward::primitive_desc& forward,
                                       const Context& context) {
  return {{prop_kind::backward_data, x, x, op.eps, normalization_flags::none},
          context.attributes,
          context.engine,
          forward};
}

ops::Answer forward(const KernelRequest& request, const ops::BatchNorm& op, const Desc& x,
                    const Context& context) {
  const auto desc = forward_desc(op, x, context);
  if (grade(desc.impl_info_str()) == 0) return refuse_reference(desc.impl_info_str());
  const Statistics statistics = statistics_of(op, request.src[0].shape);
  const auto second = static_cast<int64_t>(statistics_bytes(statistics.channels));
  const bool in_workspace = request.training && !op.use_global;
  const Role where = in_workspace ? Role::kWorkspace : Role::kScratch;
  const int64_t scratchpad = in_workspace ? 0 : 2 * second;
  const Desc pad = desc.scratchpad_desc();
  Call call(context, Forward(desc),
            {{DNNL_ARG_SRC, Role::kSrc, 0, x},
             {DNNL_ARG_DST, Role::kDst, 0, x},
             {DNNL_ARG_MEAN, where, 0, desc.mean_desc()},
             {DNNL_ARG_VARIANCE, where, second, desc.variance_desc()},
             {DNNL_ARG_SCRATCHPAD, Role::kScratch, scratchpad, pad}});
  ops::Offer offer = blank_offer(request);
  offer.src[0] = offer.dst[0] = layout_of(x);
  if (request.training) offer.workspace_bytes = 2 * static_cast<size_t>(second);
  offer.scratch_bytes = static_cast<size_t>(scratchpad) + pad.get_size();
  offer.implementation = desc.impl_info_str();
  if (op.use_global)
    offer.kernel = std::make_unique<GlobalKernel>(std::move(call), statistics, request.training);
  else
    offer.kernel = std::make_unique<BatchKernel>(std::move(call), statistics, where);
  return offer;
}

ops::Answer backward(const KernelRequest& request, const ops::BatchNorm& op, const Desc& x,
                     const Context& context) {
  ops::Offer offer = blank_offer(request);
  offer.src[0] = offer.diff_dst[0] = offer.diff_src[0] = layout_of(x);
  if (op.use_global) {
    offer.kernel = std::make_unique<GlobalGradient>(ChannelView::of(x).value());
    offer.implementation = "blocked loops";
    return offer;
  }
  const auto fwd = forward_desc(op, x, context);
  const auto desc = backward_desc(op, x, fwd, context);
  const auto second = static_cast<int64_t>(statistics_bytes(request.src[0].shape[1]));
  set_primitive(offer, context, desc, Backward(desc),
                {{DNNL_ARG_SRC, Role::kSrc, 0, x},
                 {DNNL_ARG_MEAN, Role::kWorkspace, 0, fwd.mean_desc()},
                 {DNNL_ARG_VARIANCE, Role::kWorkspace, second, fwd.variance_desc()},
                 {DNNL_ARG_DIFF_DST, Role::kDiffDst, 0, x},
                 {DNNL_ARG_DIFF_SRC, Role::kDiffSrc, 0, x}});
  return offer;
}

ops::Answer batch_norm(const KernelRequest& request, const Context& context) {
  const auto& op = static_cast<const ops::BatchNorm&>(*request.op);
  const int rank = request.src[0].shape.rank();
  if (rank < 2 || rank > 5) return ops::Refusal{"oneDNN normalises tensors of 2 to 5 axes"};
  const Desc x = desc_or_plain(request.src[0]);
  if (op.use_global && !ChannelView::of(x))
    return ops::Refusal{"global statistics only on layouts with blocks of channels"};
  if (request.part != ops::kForward) return backward(request, op, x, context);
  if (request.training && !op.use_global) {  // what runs forward must be able to run backward
    const auto desc = backward_desc(op, x, forward_desc(op, x, context), context);
    if (grade(desc.impl_info_str()) == 0) return refuse_reference(desc.impl_info_str());
  }
  return forward(request, op, x, context);
}

CREMA_REGISTER(OneDnnKernelTag, "batch_norm", batch_norm);

}  // namespace
}  // namespace crema::onednn
