#include "plan/plan.hpp"

#include <exception>

#include "base/clock.hpp"
#include "plan/passes.hpp"

namespace crema::plan {

const std::vector<std::string>& skippable_passes() {
  // Two are none of this room: "freeze", see graph::BuildOptions::whole_backward, and "update", see
  // train::needs_whole_gradients().
  static const std::vector<std::string> names{"fuse",    "copies", "fold",      "batch_norm",
                                              "post",    "concat", "recompute", "freeze",
                                              "inplace", "views",  "memory",    "update"};
  return names;
}

namespace {

// Values that are looked at after a pass.
std::set<int> kept_values(const graph::Graph& graph, const Program& program,
                          const PlanOptions& options) {
  std::set<int> out;
  const auto keep = [&](int value) {
    if (value != kNone) out.insert(program.resolve(value));
  };
  for (const auto& output : graph.outputs) keep(output.value);
  for (const auto& loss : graph.losses) keep(loss.value);
  for (const auto& state : graph.carried) keep(state.next);
  for (const auto& sink : graph.sinks)
    for (const int value : sink.values) keep(value);
  for (const int value : exported_values(graph, options.segment)) keep(value);
  for (const auto& [name, value] : graph.input_gradients) keep(value);
  for (const auto& param : graph.params) keep(param.gradient);
  if (options.keep_blobs)
    for (const auto& [name, value] : graph.blobs) keep(value);
  return out;
}

void prepare_kernels(Plan& plan) {
  const int count = static_cast<int>(plan.steps.size());
  std::exception_ptr failure;
#pragma omp parallel for schedule(dynamic)
  for (int i = 0; i < count; ++i) {
    try {
      plan.steps[static_cast<size_t>(i)].kernel->prepare();
    } catch (...) {
#pragma omp critical
      failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace

Plan make_plan(std::shared_ptr<const graph::Graph> graph, const Engines& engines,
               const PlanOptions& options) {
  Plan plan;
  plan.graph = std::move(graph);
  plan.segment = options.segment;
  plan.dtype = options.dtype;
  plan.precision = options.precision;
  plan.separate_gradients = options.separate_gradients;
  plan.hand_out_gradients = options.hand_out_gradients;
  CREMA_CHECK(!plan.hand_out_gradients || (!plan.separate_gradients && plan.graph->segments() == 1),
              "gradients of one pass over one segment can be handed out");
  const auto pass = [&](const char* name, auto&& run) {
    const Stopwatch watch;
    run();
    plan.pass_seconds.emplace_back(name, watch.seconds());
  };
  plan.program = program_of(*plan.graph, options.segment);
  Rewriting rewriting{*plan.graph, plan.program, engines, options, {}};
  const auto rewrite = [&](const char* name, auto* run) {
    const bool fusing = std::string(name) != "recompute";
    if (options.every_value || options.skip.contains(name)) return;
    if (fusing && options.skip.contains("fuse")) return;
    pass(name, [&] {
      rewriting.kept = kept_values(*plan.graph, plan.program, options);
      run(rewriting);
      plan.program.compact();
    });
  };
  rewrite("copies", share_copies);
  if (!options.training) rewrite("fold", fold_batch_norm);
  rewrite("batch_norm", fuse_batch_norm);
  rewrite("post", fuse_post);
  if (options.training) rewrite("concat", fuse_concat);
  if (options.training) rewrite("recompute", recompute);
  pass("choose", [&] { choose(plan, engines, options); });
  pass("derived", [&] { hoist_derived(plan, options); });
  pass("lifetimes", [&] { find_lifetimes(plan, options); });
  if (!options.skip.contains("inplace")) pass("inplace", [&] { merge_in_place(plan); });
  if (!options.skip.contains("views")) pass("views", [&] { put_parts_in_place(plan); });
  pass("memory", [&] { assign_memory(plan, !options.skip.contains("memory")); });
  pass("verify", [&] { verify(plan); });
  pass("prepare", [&] { prepare_kernels(plan); });
  return plan;
}

}  // namespace crema::plan
