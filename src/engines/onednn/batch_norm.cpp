// BatchNorm, alone or with what the plan has fused to it.
#include <cmath>

#include "engines/onednn/kernel.hpp"
#include "engines/onednn/normalise.hpp"
#include "ops/fused.hpp"

namespace crema::onednn {
namespace {

using ops::FusedBatchNorm;
using ops::KernelArgs;
using ops::KernelRequest;

template <class T = float>
const T* in(std::span<const void* const> operands, int i) {
  return static_cast<const T*>(operands[static_cast<size_t>(i)]);
}
template <class T = float>
T* out(std::span<void* const> operands, int i) {
  return static_cast<T*>(operands[static_cast<size_t>(i)]);
}

// mean_sum, variance_sum and factor, after a batch; null ones are frozen.
class RunningStatistics {
 public:
  RunningStatistics(const ops::BatchNorm& op, const Shape& x)
      : channels_(x[1]), fraction_(op.fraction), eps_(op.eps) {
    const auto m = static_cast<double>(x.count() / x[1]);
    unbiased_ = m > 1 ? m / (m - 1) : 1;
  }

  void accumulate(const KernelArgs& args, const float* mean, const float* variance) const {
    add(args.mutated[1], mean, 1);
    add(args.mutated[2], variance, unbiased_);
    if (auto* factor = static_cast<float*>(args.mutated[3]))
      *factor = static_cast<float>(fraction_ * static_cast<double>(*factor) + 1);
  }

  // Mean and 1 / sqrt(variance + eps) from the sums.
  void resolve(const KernelArgs& args, const NormValues& to) const {
    const float factor = *in(args.src, 3);
    const double weight = factor == 0 ? 0 : 1 / static_cast<double>(factor);
    for (int64_t c = 0; c < channels_; ++c) {
      to.mean[c] = static_cast<float>(weight * in(args.src, 1)[c]);
      to.inverse[c] = static_cast<float>(1 / std::sqrt(weight * in(args.src, 2)[c] + eps_));
    }
  }

 private:
  void add(void* sums, const float* values, double weight) const {
    auto* sum = static_cast<float*>(sums);
    for (int64_t c = 0; sum != nullptr && c < channels_; ++c)
      sum[c] = static_cast<float>(fraction_ * static_cast<double>(sum[c]) +
                                  weight * static_cast<double>(values[c]));
  }

  int64_t channels_;
  double fraction_, eps_, unbiased_ = 1;
};

template <class T>
class Forward final : public ops::Kernel {
 public:
  Forward(const FusedBatchNorm& op, const Normalisation& norm, const Shape& x, bool training)
      : op_(op), norm_(norm), running_(op.norm, x), training_(training) {}

  // Scratch: sums, variance, and the values for the backward pass if there is none.
  size_t scratch_bytes() const {
    return norm_.scratch_bytes() + 2 * NormValues::bytes(norm_.view.channels);
  }

  void run(const KernelArgs& args) override {
    const int64_t channels = norm_.view.channels;
    auto* scratch = static_cast<std::byte*>(args.scratch);
    auto* spare = scratch + norm_.scratch_bytes();
    void* kept = training_ ? args.workspace : spare + NormValues::bytes(channels);
    NormForward<T> a{};
    a.values = NormValues::at(kept, channels);
    a.x = in<T>(args.src, 0);
    if (op_.scale) a.gamma = in(args.src, op_.gamma());
    if (op_.shift) a.beta = in(args.src, op_.beta());
    if (op_.sum) a.z = in<T>(args.src, op_.summand());
    a.y = out<T>(args.dst, 0);
    a.scratch = reinterpret_cast<double*>(scratch);
    if (op_.norm.use_global)
      running_.resolve(args, a.values);
    else
      a.variance = reinterpret_cast<float*>(spare);
    normalise(norm_, a);
    if (!op_.norm.use_global) running_.accumulate(args, a.values.mean, a.variance);
  }

 private:
  FusedBatchNorm op_;
  Normalisation norm_;
  RunningStatistics running_;
  bool training_;
};

template <class T>
class Again final : public ops::Kernel {
 public:
  Again(const FusedBatchNorm& op, const Normalisation& norm) : op_(op), norm_(norm) {}

  void run(const KernelArgs& args) override {
    NormForward<T> a{};
    a.values = NormValues::at(args.workspace, norm_.view.channels);
    a.x = in<T>(args.src, 0);
    if (op_.sum) a.z = in<T>(args.src, op_.summand());
    a.y = out<T>(args.dst, 0);
    normalise_again(norm_, a);
  }

 private:
  FusedBatchNorm op_;
  Normalisation norm_;
};

template <class T>
class Backward final : public ops::Kernel {
 public:
  Backward(const FusedBatchNorm& op, const Normalisation& norm) : op_(op), norm_(norm) {}

  void run(const KernelArgs& args) override {
    NormBackward<T> a{};
    a.values = NormValues::at(args.workspace, norm_.view.channels);
    a.x = in<T>(args.src, 0);
    if (op_.sum && op_.relu) a.y = out<T>(args.dst, 0);
    a.dy = in<T>(args.diff_dst, 0);
    a.constant = op_.norm.use_global;
    a.dx = out<T>(args.diff_src, 0);
    if (op_.scale) a.dgamma = out(args.diff_src, op_.gamma());
    if (op_.shift) a.dbeta = out(args.diff_src, op_.beta());
    if (op_.sum) a.dz = out<T>(args.diff_src, op_.summand());
    a.scratch = static_cast<double*>(args.scratch);
    normalise_gradient(norm_, a);
  }

 private:
  FusedBatchNorm op_;
  Normalisation norm_;
};

// The layout that x and all that looks like it take: what x has, if channels can be told apart.
Desc layout_for(const KernelRequest& request) {
  const Desc now = stored_or_plain(request.src[0]);
  return ChannelView::of(now) ? now : plain_desc(request.src[0].shape);
}

// Activations are stored as T.
template <class T>
ops::Offer offer_for(const KernelRequest& request, const FusedBatchNorm& op, const Desc& x) {
  const Shape& shape = request.src[0].shape;
  const Normalisation norm{ChannelView::of(x).value(), op.norm.eps, op.relu};
  ops::Offer offer = blank_offer(request);
  offer.implementation = "blocked loops";
  offer.src[0] = offer.dst[0] = layout_of(x);
  if (op.sum) offer.src[static_cast<size_t>(op.summand())] = layout_of(x);
  if (request.part == ops::kForward) {
    auto kernel = std::make_unique<Forward<T>>(op, norm, shape, request.training);
    offer.scratch_bytes = kernel->scratch_bytes();
    if (request.training) offer.workspace_bytes = NormValues::bytes(shape[1]);
    offer.kernel = std::move(kernel);
    return offer;
  }
  if (request.part == ops::kAgain) {
    offer.kernel = std::make_unique<Again<T>>(op, norm);
    return offer;
  }
  offer.diff_dst[0] = offer.diff_src[0] = layout_of(x);
  if (op.sum) offer.diff_src[static_cast<size_t>(op.summand())] = layout_of(x);
  offer.scratch_bytes = norm.scratch_bytes();
  offer.kernel = std::make_unique<Backward<T>>(op, norm);
  return offer;
}

ops::Answer answer(const KernelRequest& request, const FusedBatchNorm& op) {
  const Shape& shape = request.src[0].shape;
  if (shape.rank() < 2 || shape.rank() > 5)
    return ops::Refusal{"channels are told apart in tensors of 2 to 5 axes"};
  const Desc x = layout_for(request);
  return is_bf16(x) ? offer_for<simd::Bf16>(request, op, x) : offer_for<float>(request, op, x);
}

ops::Answer batch_norm(const KernelRequest& request, const Context&) {
  FusedBatchNorm alone;
  alone.norm = static_cast<const ops::BatchNorm&>(*request.op);
  return answer(request, alone);
}

ops::Answer fused_batch_norm(const KernelRequest& request, const Context&) {
  return answer(request, static_cast<const FusedBatchNorm&>(*request.op));
}

CREMA_REGISTER(OneDnnKernelTag, "batch_norm", batch_norm);
CREMA_REGISTER(OneDnnKernelTag, "fused_batch_norm", fused_batch_norm);

}  // namespace
}  // namespace crema::onednn
