// Engines asked in order, for a step or for a single reorder.
#include <fmt/format.h>

#include "ops/shape_ops.hpp"
#include "plan/passes.hpp"

namespace crema::plan {

Step step_for(int index, const graph::Node& node) {
  Step step;
  step.node = index;
  step.layer = node.layer;
  step.op = node.op;
  step.part = node.part;
  step.mutates.assign(node.src.size(), false);
  if (node.part == ops::kForward)
    for (const int m : node.op->mutates()) step.mutates[m] = true;
  return step;
}

ops::KernelRequest request_for(const graph::Node& node, const PlanOptions& options) {
  ops::KernelRequest request;
  request.op = node.op.get();
  request.part = node.part;
  request.dtype = options.dtype;
  request.precision = options.precision;
  return request;
}

Chosen ask(const Engines& engines, const ops::KernelRequest& request) {
  Chosen chosen;
  for (ops::Engine* engine : engines) {
    ops::Answer answer = engine->offer(request);
    if (auto* refusal = std::get_if<ops::Refusal>(&answer)) {
      chosen.refusals.push_back(std::string(engine->name()) + ": " + refusal->reason);
      continue;
    }
    chosen.engine = engine;
    chosen.offer = std::move(std::get<ops::Offer>(answer));
    return chosen;
  }
  std::string reasons;
  for (const std::string& r : chosen.refusals) reasons += "; " + r;
  throw LogicError(fmt::format("no engine runs '{}'{}", request.op->kind(), reasons));
}

Chosen ask_reorder(const Engines& engines, const ops::Op& reorder, const TensorDesc& from,
                   const TensorDesc& to) {
  ops::KernelRequest request;
  request.op = &reorder;
  request.dtype = from.dtype;
  request.src = {{from.shape, from.layout, true}};
  request.dst = {{to.shape, to.layout, true}};
  return ask(engines, request);
}

void Reorderer::run(const TensorDesc& from, const void* src, const TensorDesc& to,
                    void* dst) const {
  const ops::Reorder op;
  const Chosen chosen = ask_reorder(engines_, op, from, to);
  const Arena scratch(chosen.offer.scratch_bytes);
  const void* sources[] = {src};
  void* destinations[] = {dst};
  void* mutated[] = {nullptr};
  const ops::StepInfo step;
  ops::KernelArgs args;
  args.src = sources;
  args.dst = destinations;
  args.mutated = mutated;
  args.scratch = scratch.data();
  args.step = &step;
  chosen.offer.kernel->run(args);
}

}  // namespace crema::plan
