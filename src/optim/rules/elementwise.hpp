// The loop that all update rules share.
#pragma once

#include "base/parallel.hpp"
#include "optim/rule.hpp"

namespace crema::optim {

inline constexpr int64_t kElementsPerThread = 16384;

// apply(i, g) for every element, with g as StepInfo defines it.
template <class Apply>
void each_gradient(const ParamSpans& param, const StepInfo& info, const Apply& apply) {
  const float* const value = param.value.data();
  const float* const gradient = param.gradient.data();
  const float scale = static_cast<float>(info.gradient_scale);
  const float l2 = static_cast<float>(info.l2), l1 = static_cast<float>(info.l1);
  parallel_for(static_cast<int64_t>(param.value.size()), kElementsPerThread,
               [&](int64_t begin, int64_t end) {
                 if (l1 == 0) {
#pragma omp simd
                   for (int64_t i = begin; i < end; ++i)
                     apply(i, scale * gradient[i] + l2 * value[i]);
                 } else {
#pragma omp simd
                   for (int64_t i = begin; i < end; ++i) {
                     const float sign = static_cast<float>((value[i] > 0) - (value[i] < 0));
                     apply(i, scale * gradient[i] + l2 * value[i] + l1 * sign);
                   }
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

}  // namespace crema::optim
