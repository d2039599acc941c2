// The pass derived: what is computed from parameters alone is computed when they change.
#include <algorithm>

#include "ops/fused.hpp"
#include "plan/passes.hpp"

namespace crema::plan {

namespace {

template <class Fn>
void each_buffer(const Plan& plan, const Step& step, Fn&& fn) {
  for (const auto* list : {&step.src, &step.dst, &step.diff_dst, &step.diff_src})
    for (const int id : *list)
      if (id != kNone) fn(plan.tensors[id].buffer);
}

// Weights in another layout, or folded ones, of parameters that no kernel of the plan changes.
bool derived(const Plan& plan, const Step& step, const std::set<int>& changing) {
  if (step.node != kNone && !dynamic_cast<const ops::FoldBatchNorm*>(step.op.get())) return false;
  return std::all_of(step.src.begin(), step.src.end(), [&](int id) {
    const Buffer& buffer = plan.buffers[plan.tensors[id].buffer];
    return buffer.storage == Storage::kDerived ||
           (buffer.storage == Storage::kParamValue && !changing.contains(buffer.index));
  });
}

}  // namespace

void hoist_derived(Plan& plan, const PlanOptions& options) {
  // With one pass per update there is nothing to be saved by keeping them.
  if (options.training && !options.separate_gradients) return;
  std::set<int> changing;
  for (const Step& step : plan.steps)
    for (size_t i = 0; i < step.src.size(); ++i)
      if (step.mutates[i]) changing.insert(plan.buffers[plan.tensors[step.src[i]].buffer].index);
  std::vector<Step> first, rest;
  int forward = 0;
  for (int i = 0; i < static_cast<int>(plan.steps.size()); ++i) {
    Step& step = plan.steps[i];
    const bool hoisted = derived(plan, step, changing);
    if (hoisted)
      for (const int id : step.dst)
        plan.buffers[plan.tensors[id].buffer].storage = Storage::kDerived;
    if (!hoisted && i < plan.forward_steps) ++forward;
    (hoisted ? first : rest).push_back(std::move(step));
  }
  // What only they read need not outlast them.
  std::set<int> outlasting;
  for (const Step& step : rest)
    each_buffer(plan, step, [&](int buffer) { outlasting.insert(buffer); });
  for (const Step& step : first)
    each_buffer(plan, step, [&](int buffer) {
      if (plan.buffers[buffer].storage == Storage::kDerived && !outlasting.contains(buffer))
        plan.buffers[buffer].storage = Storage::kArena;
    });
  plan.derived_steps = static_cast<int>(first.size());
  plan.forward_steps = plan.derived_steps + forward;
  plan.steps = std::move(first);
  for (Step& step : rest) plan.steps.push_back(std::move(step));
}

}  // namespace crema::plan
