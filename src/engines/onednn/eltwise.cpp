#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/parallel.hpp"
#include "base/simd.hpp"
#include "engines/onednn/kernel.hpp"
#include "ops/pointwise.hpp"

namespace crema::onednn {
namespace {

using dnnl::algorithm;
using ops::EltwiseMethod;
using ops::KernelArgs;
using ops::KernelRequest;
using PrimitiveDesc = dnnl::binary::primitive_desc;

// Conversions are worth a compilation for wide registers; floats keep memory busy as they are.
template <class T, class Fn>
void converting(const Fn& fn) {
  if constexpr (std::is_same_v<T, float>)
    fn();
  else
    simd::run(fn);
}

// dst = sum of factor_i x_i over whole buffers, padding included (zeros stay zeros), added up in
// single precision. Every source of a run is read before its destination is written, so that dst
// may be any of them.
template <class T>
class SumKernel final : public ops::Kernel {
 public:
  SumKernel(std::vector<float> factors, int64_t count)
      : factors_(std::move(factors)), count_(count) {}

  void run(const KernelArgs& args) override {
    parallel_for(count_, 16384, [&](int64_t begin, int64_t end) {
      converting<T>([&] {
        for (int64_t i = begin; i < end; i += kRun) sum(args, i, std::min(kRun, end - i));
      });
    });
  }

 private:
  static constexpr int64_t kRun = 512;

  void sum(const KernelArgs& args, int64_t begin, int64_t n) const {
    std::array<float, kRun> total;
    for (size_t s = 0; s < factors_.size(); ++s) {
      const T* x = static_cast<const T*>(args.src[s]) + begin;
      const float f = factors_[s];
      if (s == 0)
        for (int64_t i = 0; i < n; ++i) total[static_cast<size_t>(i)] = f * simd::to_float(x[i]);
      else
        for (int64_t i = 0; i < n; ++i) total[static_cast<size_t>(i)] += f * simd::to_float(x[i]);
    }
    T* y = static_cast<T*>(args.dst[0]) + begin;
    for (int64_t i = 0; i < n; ++i) simd::from_float(total[static_cast<size_t>(i)], y[i]);
  }

  std::vector<float> factors_;
  int64_t count_;
};

// dx = factor * g over whole buffers.
template <class T>
class CopyKernel final : public ops::Kernel {
 public:
  CopyKernel(size_t part, float factor, int64_t count)
      : part_(part), factor_(factor), count_(count) {}

  void run(const KernelArgs& args) override {
    const auto* g = static_cast<const T*>(args.diff_dst[0]);
    auto* dx = static_cast<T*>(args.diff_src[part_]);
    parallel_for(count_, 16384, [&](int64_t begin, int64_t end) {
      converting<T>([&] {
        for (int64_t i = begin; i < end; ++i)
          simd::from_float(factor_ * simd::to_float(g[i]), dx[i]);
      });
    });
  }

 private:
  size_t part_;
  float factor_;
  int64_t count_;
};

// A kernel over whole buffers stored as `desc`.
template <template <class> class Kernel, class... Args>
std::unique_ptr<ops::Kernel> flat_kernel(const Desc& desc, Args... args) {
  const auto bytes = static_cast<int64_t>(desc.get_size());
  if (is_bf16(desc)) return std::make_unique<Kernel<simd::Bf16>>(std::move(args)..., bytes / 2);
  return std::make_unique<Kernel<float>>(std::move(args)..., bytes / 4);
}

// The layout that all operands take: the one most sources have, a blocked one if that is a tie.
Desc common_layout(const KernelRequest& request) {
  std::vector<Desc> have;
  for (const ops::Operand& operand : request.src) have.push_back(stored_or_plain(operand));
  const Desc plain = plain_desc(request.src[0].shape);
  const auto votes = [&](const Desc& desc) {
    return 2 * std::count(have.begin(), have.end(), desc) - (desc == plain ? 1 : 0);
  };
  return *std::max_element(have.begin(), have.end(),
                           [&](const Desc& a, const Desc& b) { return votes(a) < votes(b); });
}

PrimitiveDesc describe_binary(algorithm what, const Desc& x, std::pair<float, float> scales,
                              const Context& context) {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (scales.first != 1) attributes.set_scales(DNNL_ARG_SRC_0, 0, {scales.first});
  if (scales.second != 1) attributes.set_scales(DNNL_ARG_SRC_1, 0, {scales.second});
  return {{what, x, x, x}, attributes, context.engine};
}

float coefficient(const ops::Eltwise& op, size_t i) {
  return i < op.coefficients.size() ? op.coefficients[i] : 1.0f;
}

ops::Answer forward(const KernelRequest& request, const ops::Eltwise& op, const Context& context) {
  const Desc x = common_layout(request);
  ops::Offer offer = blank_offer(request);
  std::fill(offer.src.begin(), offer.src.end(), layout_of(x));
  offer.dst[0] = layout_of(x);
  if (op.method == EltwiseMethod::kSum && request.src.size() != 2) {
    std::vector<float> factors;
    for (size_t i = 0; i < request.src.size(); ++i) factors.push_back(coefficient(op, i));
    offer.kernel = flat_kernel<SumKernel>(x, std::move(factors));
    offer.implementation = "flat loop";
    return offer;
  }
  const bool sum = op.method == EltwiseMethod::kSum;
  const auto desc = describe_binary(
      sum ? algorithm::binary_add : algorithm::binary_mul, x,
      sum ? std::pair(coefficient(op, 0), coefficient(op, 1)) : std::pair(1.0f, 1.0f), context);
  if (grade(desc.impl_info_str()) == 0) return refuse_reference(desc.impl_info_str());
  set_primitive<dnnl::binary>(offer, context, desc,
                              {{DNNL_ARG_SRC_0, Role::kSrc, 0, x},
                               {DNNL_ARG_SRC_1, Role::kSrc, 1, x},
                               {DNNL_ARG_DST, Role::kDst, 0, x}});
  return offer;
}

ops::Answer backward(const KernelRequest& request, const ops::Eltwise& op, const Context& context) {
  const auto part = static_cast<size_t>(request.part);
  const Desc x = stored_or_plain(request.dst[0]);
  ops::Offer offer = blank_offer(request);
  offer.diff_dst[0] = offer.diff_src[part] = layout_of(x);
  if (op.method == EltwiseMethod::kSum) {
    offer.kernel = flat_kernel<CopyKernel>(x, part, coefficient(op, part));
    offer.implementation = "flat loop";
    return offer;
  }
  const size_t other = 1 - part;  // of two factors
  offer.src[other] = layout_of(x);
  const auto desc = describe_binary(algorithm::binary_mul, x, {1, 1}, context);
  if (grade(desc.impl_info_str()) == 0) return refuse_reference(desc.impl_info_str());
  set_primitive<dnnl::binary>(offer, context, desc,
                              {{DNNL_ARG_SRC_0, Role::kDiffDst, 0, x},
                               {DNNL_ARG_SRC_1, Role::kSrc, static_cast<int64_t>(other), x},
                               {DNNL_ARG_DST, Role::kDiffSrc, request.part, x}});
  return offer;
}

ops::Answer eltwise(const KernelRequest& request, const Context& context) {
  const auto& op = static_cast<const ops::Eltwise&>(*request.op);
  if (op.method == EltwiseMethod::kMax)
    return ops::Refusal{"oneDNN's maximum does not keep which source won"};
  if (op.method == EltwiseMethod::kProduct) {
    if (request.src.size() != 2) return ops::Refusal{"products of two tensors only"};
    if (request.part != ops::kForward && !op.stable_product_gradient)
      return ops::Refusal{"a gradient by division (stable_prod_grad: false)"};
  }
  return request.part == ops::kForward ? forward(request, op, context)
                                       : backward(request, op, context);
}

CREMA_REGISTER(OneDnnKernelTag, "eltwise", eltwise);

}  // namespace
}  // namespace crema::onednn
