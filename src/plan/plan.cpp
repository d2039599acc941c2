#include "plan/plan.hpp"

#include <exception>

#include "base/clock.hpp"
#include "plan/recompute.hpp"

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

// Makes plans of one program, rewritten once.
class Planner {
 public:
  Planner(std::shared_ptr<const graph::Graph> graph, const Engines& engines,
          const PlanOptions& options)
      : graph_(std::move(graph)),
        engines_(engines),
        options_(options),
        program_(program_of(*graph_, options.segment)),
        rewriting_{*graph_, program_, engines, options, {}} {
    rewrite("copies", share_copies);
    if (!options.training) rewrite("fold", fold_batch_norm);
    rewrite("batch_norm", fuse_batch_norm);
    rewrite("post", fuse_post);
    if (options.training) rewrite("concat", fuse_concat);
    rewriting_.kept = kept_values(*graph_, program_, options_);
  }

  Plan run() {
    Plan plan = recompute();
    verify(plan);
    plan.pass_seconds.insert(plan.pass_seconds.begin(), rewriting_seconds_.begin(),
                             rewriting_seconds_.end());
    if (options_.prepare) timed("prepare", plan.pass_seconds, [&] { prepare_kernels(plan); });
    return plan;
  }

 private:
  using Seconds = std::vector<std::pair<std::string, double>>;

  template <class Fn>
  static void timed(const char* name, Seconds& seconds, Fn&& run) {
    const Stopwatch watch;
    run();
    seconds.emplace_back(name, watch.seconds());
  }

  void rewrite(const char* name, void (*run)(Rewriting&)) {
    if (options_.every_value || options_.skip.contains("fuse") || options_.skip.contains(name))
      return;
    timed(name, rewriting_seconds_, [&] {
      rewriting_.kept = kept_values(*graph_, program_, options_);
      run(rewriting_);
      program_.compact();
    });
  }

  Plan recompute() {
    if (!options_.training || options_.skip.contains("recompute")) return draft({});
    const RecomputeOptions& wanted = options_.recompute;
    if (wanted.mode == Recompute::kAuto)
      return plan_within_budget(rewriting_, [this](const auto& dropped) { return draft(dropped); });
    std::set<int> dropped;
    if (wanted.mode == Recompute::kCheap && !options_.every_value)
      dropped = dropped_as_a_rule(rewriting_);
    Plan plan = draft(dropped);
    if (wanted.compare)
      plan.recomputed.arena_without = dropped.empty() ? plan.arena_bytes : draft({}).arena_bytes;
    return plan;
  }

  // All but what takes long.
  Plan draft(const std::set<int>& dropped) const {
    Plan plan;
    plan.graph = graph_;
    plan.segment = options_.segment;
    plan.dtype = options_.dtype;
    plan.precision = options_.precision;
    plan.separate_gradients = options_.separate_gradients;
    plan.hand_out_gradients = options_.hand_out_gradients;
    plan.program = program_;
    const auto pass = [&](const char* name, auto&& run) { timed(name, plan.pass_seconds, run); };
    pass("recompute", [&] { repeat(plan.program, dropped); });
    pass("choose", [&] { choose(plan, engines_, options_); });
    pass("derived", [&] { hoist_derived(plan, options_); });
    pass("lifetimes", [&] { find_lifetimes(plan, options_); });
    if (!options_.skip.contains("inplace")) pass("inplace", [&] { merge_in_place(plan); });
    if (!options_.skip.contains("views")) pass("views", [&] { put_parts_in_place(plan); });
    pass("memory", [&] { assign_memory(plan, !options_.skip.contains("memory")); });
    count_repeated(plan);
    return plan;
  }

  static void count_repeated(Plan& plan) {
    for (const Step& step : plan.steps) {
      if (!repeats(plan, step)) continue;
      ++plan.recomputed.results;
      plan.recomputed.bytes += plan.tensors[step.dst[0]].desc.bytes();
    }
  }

  std::shared_ptr<const graph::Graph> graph_;
  const Engines& engines_;
  const PlanOptions& options_;
  Program program_;
  Rewriting rewriting_;
  Seconds rewriting_seconds_;
};

}  // namespace

bool repeats(const Plan& plan, const Step& step) {
  return step.node != kNone && repeats(plan.program.nodes[step.node]);
}

Plan make_plan(std::shared_ptr<const graph::Graph> graph, const Engines& engines,
               const PlanOptions& options) {
  CREMA_CHECK(
      !options.hand_out_gradients || (!options.separate_gradients && graph->segments() == 1),
      "gradients of one pass over one segment can be handed out");
  return Planner(std::move(graph), engines, options).run();
}

}  // namespace crema::plan
