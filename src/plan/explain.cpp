// `crema plan`: the plan in words.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "plan/plan.hpp"

namespace crema::plan {

namespace {

std::string bytes_text(size_t bytes) {
  if (bytes >= size_t{10} << 20) return fmt::format("{:.1f} MiB", bytes / 1048576.0);
  if (bytes >= size_t{10} << 10) return fmt::format("{:.1f} KiB", bytes / 1024.0);
  return fmt::format("{} B", bytes);
}

std::string layouts(const Plan& plan, const std::vector<int>& ids) {
  std::string out;
  for (const int id : ids) {
    if (id == kNone) continue;
    out += out.empty() ? "" : ",";
    out += plan.tensors[id].desc.layout.text();
  }
  return out;
}

size_t written_bytes(const Plan& plan, const Step& step) {
  size_t bytes = 0;
  const auto& ids = step.part < 0 ? step.dst : step.diff_src;
  for (const int id : ids)
    if (id != kNone) bytes += plan.tensors[id].desc.bytes();
  return bytes;
}

std::string describe_step(const Plan& plan, const Step& step) {
  const graph::Graph& graph = *plan.graph;
  const bool forward = step.part < 0;
  const std::string from = forward ? layouts(plan, step.src)
                                   : layouts(plan, step.diff_dst) +
                                         (layouts(plan, step.src).empty() ? "" : ";") +
                                         layouts(plan, step.src);
  std::string line = fmt::format(
      "{:<18} {:<34} {:<26} {} -> {}  {}", step.layer == kNone ? "" : graph.layers[step.layer].name,
      operation_text(plan, step), step.engine + ":" + step.implementation,
      from.empty() ? "-" : from, layouts(plan, forward ? step.dst : step.diff_src),
      bytes_text(written_bytes(plan, step)));
  const std::string detail = step.op->describe();
  if (!detail.empty()) line += "  (" + detail + ")";
  line += "\n";
  for (const std::string& refusal : step.refusals)
    line += fmt::format("{:<18}   refused by {}\n", "", refusal);
  return line;
}

// What a segment is, where there are several.
std::string segment_text(const Plan& plan) {
  const graph::Graph& graph = *plan.graph;
  if (graph.cuts.empty()) return {};
  if (plan.segment == 0) return fmt::format("Segment 1 of {}\n", graph.segments());
  const graph::CutInfo& cut = graph.cuts[static_cast<size_t>(plan.segment) - 1];
  return fmt::format(
      "Segment {} of {}: from layer '{}' on, where '{}' selects {} (only the data decide how many: "
      "other numbers are planned when they occur)\n",
      plan.segment + 1, graph.segments(), graph.layers[cut.layer].name,
      graph.values[cut.selector].name, cut.rows);
}

// Where gradients are, and until when.
std::string updates_text(const Plan& plan) {
  if (plan.ready.empty()) return {};
  size_t bytes = 0, largest = 0;
  int pieces = 0;
  for (const Ready& ready : plan.ready) {
    const size_t own = plan.tensors[ready.tensor].desc.bytes();
    bytes += own;
    largest = std::max(largest, own / static_cast<size_t>(ready.pieces));
    pieces += ready.pieces > 1;
  }
  return fmt::format(
      "Updates: {} parameters, each as soon as its gradient is complete; {} of gradients in the "
      "arena, one after another, {} of them in pieces; the largest {}\n",
      plan.ready.size(), bytes_text(bytes), pieces, bytes_text(largest));
}

// What is computed again, and what that saves.
std::string recomputed_text(const Plan& plan) {
  const Recomputed& made = plan.recomputed;
  std::string out;
  if (made.results > 0)
    out =
        fmt::format("{} results of {} in the backward pass", made.results, bytes_text(made.bytes));
  if (made.arena_without > 0 && made.results > 0)
    out += fmt::format("; arena {} instead of {}", bytes_text(plan.arena_bytes),
                       bytes_text(made.arena_without));
  if (made.budget > 0)
    out += fmt::format("{}budget {}, plans made {}", out.empty() ? "nothing; " : "; ",
                       bytes_text(made.budget), made.plans);
  return out.empty() ? out : "Computed again: " + out + "\n";
}

// "; then updates conv1/weight, conv1/bias"
std::string updates_after(const Plan& plan, int step) {
  std::string out;
  for (const Ready& ready : plan.ready)
    if (ready.step == step)
      out += (out.empty() ? "; then updates " : ", ") + plan.graph->params[ready.param].name +
             (ready.pieces > 1 ? fmt::format(" in {} pieces", ready.pieces) : "");
  return out;
}

}  // namespace

std::string operation_text(const Plan& plan, const Step& step) {
  if (repeats(plan, step)) return std::string(step.op->kind()) + " again";
  if (step.part == ops::kForward) return step.op->kind();
  std::string wrt;
  for (size_t i = 0; i < step.diff_src.size(); ++i)
    if (step.diff_src[i] != kNone) {
      wrt += wrt.empty() ? "" : ", ";
      wrt += plan.program.values[plan.tensors[step.diff_src[i]].value].name;
    }
  return fmt::format("{} {}", step.op->kind(), wrt);
}

std::string explain(const Plan& plan) {
  std::string out = segment_text(plan);
  int reorders = 0;
  for (int i = 0; i < static_cast<int>(plan.steps.size()); ++i) {
    if (i == 0 && plan.derived_steps > 0) out += "Once per change of the parameters\n";
    if (i == plan.derived_steps && plan.forward_steps > i) out += "Forward\n";
    if (i == plan.forward_steps) out += "Backward\n";
    out += describe_step(plan, plan.steps[i]);
    reorders += plan.steps[i].node == kNone;
  }
  out += updates_text(plan) + recomputed_text(plan);
  size_t weights = 0, gradients = 0, inputs = 0, derived = 0;
  for (const Buffer& buffer : plan.buffers) {
    if (buffer.storage == Storage::kParamValue) weights += buffer.bytes;
    if (buffer.storage == Storage::kParamGradient) gradients += buffer.bytes;
    if (buffer.storage == Storage::kInput) inputs += buffer.bytes;
    if (buffer.storage == Storage::kDerived) derived += buffer.bytes;
  }
  out += fmt::format(
      "Total: {} steps ({} reorders), arena {} (scratch up to {}), weights {}, gradients {}, "
      "inputs {}, "
      "derived {}\n",
      plan.steps.size(), reorders, bytes_text(plan.arena_bytes), bytes_text(plan.scratch_bytes),
      bytes_text(weights), bytes_text(gradients), bytes_text(inputs), bytes_text(derived));
  out += "Passes:";
  for (const auto& [name, seconds] : plan.pass_seconds)
    out += fmt::format(" {} {:.1f} ms", name, seconds * 1e3);
  return out + "\n";
}

std::string explain_memory(const Plan& plan) {
  std::string out = segment_text(plan) + "step  live bytes  layer              op\n";
  size_t peak = 0;
  int peak_step = 0;
  const auto live = [&](int step, auto&& fn) {
    for (size_t b = 0; b < plan.buffers.size(); ++b) {
      const Buffer& buffer = plan.buffers[b];
      if (buffer.storage == Storage::kArena && buffer.first != kNone && buffer.first <= step &&
          step <= buffer.last)
        fn(static_cast<int>(b), buffer);
    }
  };
  for (int i = 0; i < static_cast<int>(plan.steps.size()); ++i) {
    size_t bytes = 0;
    live(i, [&](int, const Buffer& buffer) { bytes += buffer.bytes; });
    if (bytes > peak) {
      peak = bytes;
      peak_step = i;
    }
    const Step& step = plan.steps[i];
    out += fmt::format("{:>4}  {:>10}  {:<18} {}{}\n", i, bytes_text(bytes),
                       step.layer == kNone ? "" : plan.graph->layers[step.layer].name,
                       operation_text(plan, step), updates_after(plan, i));
  }
  out += fmt::format("Peak {} at step {}, arena {}. Live there:\n", bytes_text(peak), peak_step,
                     bytes_text(plan.arena_bytes));
  live(peak_step, [&](int b, const Buffer& buffer) {
    std::string name = b == plan.steps[peak_step].scratch ? "scratch" : "workspace";
    for (const Tensor& tensor : plan.tensors)
      if (tensor.buffer == b) name = plan.program.values[tensor.value].name;
    out += fmt::format("  {:>10}  offset {:>10}  steps {}..{}  {}\n", bytes_text(buffer.bytes),
                       buffer.offset, buffer.first, buffer.last, name);
  });
  return out + recomputed_text(plan);
}

}  // namespace crema::plan
