#include <algorithm>
#include <cmath>

#include "base/parallel.hpp"
#include "engines/onednn/kernel.hpp"
#include "ops/pointwise.hpp"

namespace crema::onednn {
namespace {

using dnnl::algorithm;
using ops::Function;
using ops::KernelArgs;
using ops::KernelRequest;
using Forward = dnnl::eltwise_forward;
using Backward = dnnl::eltwise_backward;

// The algorithm whose backward kernel reads what the op's gradient rule promises: y where
// gradient_from_dst(), else x.
std::optional<algorithm> algorithm_of(const ops::Unary& op) {
  const bool from_dst = op.gradient_from_dst();
  switch (op.function) {
    case Function::kRelu:
      return from_dst ? algorithm::eltwise_relu_use_dst_for_bwd : algorithm::eltwise_relu;
    case Function::kSigmoid:
      return algorithm::eltwise_logistic_use_dst_for_bwd;
    case Function::kTanh:
      return algorithm::eltwise_tanh_use_dst_for_bwd;
    case Function::kElu:
      return from_dst ? algorithm::eltwise_elu_use_dst_for_bwd : algorithm::eltwise_elu;
    case Function::kSwish:
      return algorithm::eltwise_swish;
    case Function::kExp:  // oneDNN has e^x alone
      if (op.p == 1 && op.q == 1) return algorithm::eltwise_exp_use_dst_for_bwd;
      return std::nullopt;
    default:  // its logarithm and log(1 + e^x) are off by up to 1e-5
      return std::nullopt;
  }
}

ops::Answer primitive(const KernelRequest& request, const ops::Unary& op, algorithm kind,
                      const Context& context) {
  const Desc x = stored_or_plain(request.src[0]);
  const auto p = static_cast<float>(op.p);
  const Forward::primitive_desc fwd({dnnl::prop_kind::forward_training, kind, x, p, 0.0f},
                                    context.attributes, context.engine);
  ops::Offer offer = blank_offer(request);
  if (request.part == ops::kForward) {
    if (grade(fwd.impl_info_str()) == 0) return refuse_reference(fwd.impl_info_str());
    offer.src[0] = offer.dst[0] = layout_of(x);
    set_primitive<Forward>(offer, context, fwd,
                           {{DNNL_ARG_SRC, Role::kSrc, 0, x}, {DNNL_ARG_DST, Role::kDst, 0, x}});
    return offer;
  }
  const Backward::primitive_desc bwd({kind, x, x, p, 0.0f}, context.attributes, context.engine,
                                     fwd);
  if (grade(bwd.impl_info_str()) == 0) return refuse_reference(bwd.impl_info_str());
  offer.src[0] = offer.dst[0] = offer.diff_dst[0] = offer.diff_src[0] = layout_of(x);
  const Binding value = op.gradient_from_dst() ? Binding{DNNL_ARG_DST, Role::kDst, 0, x}
                                               : Binding{DNNL_ARG_SRC, Role::kSrc, 0, x};
  set_primitive<Backward>(offer, context, bwd,
                          {value,
                           {DNNL_ARG_DIFF_DST, Role::kDiffDst, 0, x},
                           {DNNL_ARG_DIFF_SRC, Role::kDiffSrc, 0, x}});
  return offer;
}

// Functions that are a few instructions, which oneDNN lacks or bounds otherwise (its clip passes no
// gradient at the lower bound). On plain data the reference engine is as fast; here they run over
// whole buffers, so that blocked data need not be unblocked for them.
struct Loop {
  std::function<void(const float* x, float* y, int64_t n)> forward;
  std::function<void(const float* g, const float* x, float* dx, int64_t n)> backward;
  bool keeps_zero;  // so that padding stays zero
};

template <class F, class G>
Loop loop_of(F f, G g) {
  Loop loop;
  loop.forward = [f](const float* x, float* y, int64_t n) {
    for (int64_t i = 0; i < n; ++i) y[i] = f(x[i]);
  };
  loop.backward = [g](const float* d, const float* x, float* dx, int64_t n) {
    for (int64_t i = 0; i < n; ++i) dx[i] = g(d[i], x[i]);
  };
  loop.keeps_zero = f(0.0f) == 0;
  return loop;
}

std::optional<Loop> loop_of(const ops::Unary& op) {
  const auto p = static_cast<float>(op.p), q = static_cast<float>(op.q),
             r = static_cast<float>(op.r);
  const auto none = [](float, float) { return 0.0f; };
  switch (op.function) {
    case Function::kAbs:
      return loop_of([](float x) { return std::abs(x); },
                     [](float g, float x) { return x > 0   ? g
                                                   : x < 0 ? -g
                                                           : 0.0f; });
    case Function::kClip:
      return loop_of([=](float x) { return std::max(p, std::min(x, q)); },
                     [=](float g, float x) { return x >= p && x <= q ? g : 0.0f; });
    case Function::kThreshold:
      return loop_of([=](float x) { return x > p ? 1.0f : 0.0f; }, none);
    case Function::kPower:
      if (p == 1)
        return loop_of([=](float x) { return r + q * x; }, [=](float g, float) { return q * g; });
      if (p == 2)
        return loop_of([=](float x) { return (r + q * x) * (r + q * x); },
                       [=](float g, float x) { return g * 2 * q * (r + q * x); });
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

ops::Answer blocked_loop(const KernelRequest& request, const Loop& loop) {
  const auto desc = desc_of(request.src[0]);
  if (!desc || request.src[0].layout->plain())
    return ops::Refusal{"the reference is as fast on plain data"};
  if (padded(*desc) && !loop.keeps_zero)
    return ops::Refusal{"the padding of this layout would not stay zero"};
  constexpr int64_t kGrain = 16384;
  const auto count = static_cast<int64_t>(desc->get_size() / sizeof(float));
  ops::Offer offer = blank_offer(request);
  offer.implementation = "blocked loops";
  offer.src[0] = offer.dst[0] = layout_of(*desc);
  if (request.part == ops::kForward) {
    offer.kernel = ops::function_kernel([run = loop.forward, count](const KernelArgs& args) {
      const auto* x = static_cast<const float*>(args.src[0]);
      auto* y = static_cast<float*>(args.dst[0]);
      parallel_for(count, kGrain,
                   [&](int64_t begin, int64_t end) { run(x + begin, y + begin, end - begin); });
    });
    return offer;
  }
  offer.diff_dst[0] = offer.diff_src[0] = offer.src[0];
  offer.kernel = ops::function_kernel([run = loop.backward, count](const KernelArgs& args) {
    const auto* x = static_cast<const float*>(args.src[0]);
    const auto* g = static_cast<const float*>(args.diff_dst[0]);
    auto* dx = static_cast<float*>(args.diff_src[0]);
    parallel_for(count, kGrain, [&](int64_t begin, int64_t end) {
      run(g + begin, x + begin, dx + begin, end - begin);
    });
  });
  return offer;
}

ops::Answer unary(const KernelRequest& request, const Context& context) {
  const auto& op = static_cast<const ops::Unary&>(*request.op);
  if (const auto kind = algorithm_of(op)) return primitive(request, op, *kind, context);
  if (const auto loop = loop_of(op)) return blocked_loop(request, *loop);
  return ops::Refusal{"no kernel for " + op.describe()};
}

CREMA_REGISTER(OneDnnKernelTag, "unary", unary);

}  // namespace
}  // namespace crema::onednn
