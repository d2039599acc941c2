#include "plan/plan.hpp"

#include "base/clock.hpp"
#include "ops/shape_ops.hpp"
#include "plan/passes.hpp"

namespace crema::plan {

const std::vector<std::string>& skippable_passes() {
  // "freeze" is none of this room: see graph::BuildOptions::whole_backward.
  static const std::vector<std::string> names{"freeze", "inplace", "memory"};
  return names;
}

Plan make_plan(std::shared_ptr<const graph::Graph> graph, const Engines& engines,
               const PlanOptions& options) {
  Plan plan;
  plan.graph = std::move(graph);
  plan.segment = options.segment;
  plan.dtype = options.dtype;
  plan.separate_gradients = options.separate_gradients;
  const auto pass = [&](const char* name, auto&& run) {
    const Stopwatch watch;
    run();
    plan.pass_seconds.emplace_back(name, watch.seconds());
  };
  pass("choose", [&] { choose(plan, engines, options); });
  pass("lifetimes", [&] { find_lifetimes(plan, options); });
  if (!options.skip.contains("inplace")) pass("inplace", [&] { merge_in_place(plan); });
  pass("memory", [&] { assign_memory(plan, !options.skip.contains("memory")); });
  pass("verify", [&] { verify(plan); });
  return plan;
}

void Reorderer::run(const TensorDesc& from, const void* src, const TensorDesc& to,
                    void* dst) const {
  const ops::Reorder op;
  ops::KernelRequest request;
  request.op = &op;
  request.dtype = from.dtype;
  request.src = {{from.shape, from.layout, true}};
  request.dst = {{to.shape, to.layout, true}};
  const Chosen chosen = ask(engines_, request);
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
