// The loop that the update rules share.
#pragma once

#include <algorithm>

#include "base/parallel.hpp"
#include "optim/norm.hpp"
#include "optim/rule.hpp"

namespace crema::optim {

inline constexpr int64_t kElementsPerThread = 16384;

// The gradient's factors as floats, and what they make of an element.
struct GradientScale {
  explicit GradientScale(const StepInfo& info)
      : scale(static_cast<float>(info.gradient_scale)),
        limit(static_cast<float>(info.clip_value)),
        after(static_cast<float>(info.after_clip)) {}
  float plain(float x) const { return scale * x; }
  float clipped(float x) const { return after * std::clamp(scale * x, -limit, limit); }

  float scale, limit, after;
};

// apply(i, g) for every element, with g as StepInfo defines it.
template <class Apply>
void each_gradient(const ParamSpans& param, const StepInfo& info, const Apply& apply) {
  const float* const value = param.value.data();
  const float* const gradient = param.gradient.data();
  const GradientScale of(info);
  const float l2 = static_cast<float>(info.l2), l1 = static_cast<float>(info.l1);
  const auto decay = [&](int64_t i) {
    const float sign = static_cast<float>((value[i] > 0) - (value[i] < 0));
    return l2 * value[i] + l1 * sign;
  };
  parallel_for(static_cast<int64_t>(param.value.size()), kElementsPerThread,
               [&](int64_t begin, int64_t end) {
                 if (of.limit > 0) {
#pragma omp simd
                   for (int64_t i = begin; i < end; ++i)
                     apply(i, of.clipped(gradient[i]) + decay(i));
                 } else if (l1 != 0) {
#pragma omp simd
                   for (int64_t i = begin; i < end; ++i) apply(i, of.plain(gradient[i]) + decay(i));
                 } else {
#pragma omp simd
                   for (int64_t i = begin; i < end; ++i)
                     apply(i, of.plain(gradient[i]) + l2 * value[i]);
                 }
               });
}

// value[i] -= step_of(i, g). step_of may change element i of the slots. A step of 0 keeps even the
// sign of a zero.
template <class StepOf>
void descend(const ParamSpans& param, const StepInfo& info, const StepOf& step_of) {
  float* const value = param.value.data();
  float* const taken = param.taken.data();
  // -0 + 0 is +0, and x - 0 is x for every x, -0 included.
  if (param.taken.empty())
    each_gradient(param, info, [=](int64_t i, float g) { value[i] -= step_of(i, g) + 0.0f; });
  else
    each_gradient(param, info, [=](int64_t i, float g) {
      taken[i] = step_of(i, g) + 0.0f;
      value[i] -= taken[i];
    });
}

// The same without decay: for rules that decouple it.
template <class StepOf>
void descend_undecayed(const ParamSpans& param, StepInfo info, const StepOf& step_of) {
  info.l2 = info.l1 = 0;
  descend(param, info, step_of);
}

// L2 norm of g before decay.
inline double gradient_norm(const ParamSpans& param, const StepInfo& info) {
  const GradientScale of(info);
  if (!(of.limit > 0)) return std::abs(info.gradient_scale) * norm(param.gradient);
  return std::sqrt(
      sum_over_blocks(static_cast<int64_t>(param.gradient.size()), [&](int64_t begin, int64_t end) {
        double sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t i = begin; i < end; ++i) {
          const double g = of.clipped(param.gradient[static_cast<size_t>(i)]);
          sum += g * g;
        }
        return sum;
      }));
}

}  // namespace crema::optim
