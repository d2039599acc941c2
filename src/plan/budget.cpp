// Recompute::kAuto: what to compute again so that the arena fits a budget.
//
// A plan shows where memory peaks and what lies idle there, between its last use in the forward
// pass and its first one backward. Of that, results are dropped, most bytes for the cost of a
// repetition first, and the plan is made again: the arena it then needs is the measure, not what
// was expected of it.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>

#include "plan/recompute.hpp"

namespace crema::plan {

namespace {

// A step costs so much beyond the bytes it moves.
constexpr double kCallBytes = 65536;
constexpr int kNever = std::numeric_limits<int>::max();

// What a plan keeps alive, and what became of that if more were dropped.
class Profile {
 public:
  Profile(const Rewriting& in, const Plan& plan, std::set<int>& dropped)
      : in_(in),
        plan_(plan),
        dropped_(dropped),
        tensors_(plan.program.values.size()),
        copy_(plan.program.values.size(), kNone),
        step_of_(static_cast<size_t>(in.program.forward_nodes), kNone),
        live_(plan.steps.size()) {
    for (size_t v = in.program.values.size(); v < copy_.size(); ++v)
      copy_[plan.program.first_had[v]] = static_cast<int>(v);
    for (size_t t = 0; t < plan.tensors.size(); ++t)
      tensors_[plan.tensors[t].value].push_back(static_cast<int>(t));
    for (int i = 0; i < steps(); ++i) use(i);
    for (size_t b = 0; b < plan.buffers.size(); ++b) {
      const Buffer& buffer = plan.buffers[b];
      if (buffer.storage == Storage::kPart) whole_.insert(buffer.index);
      if (!in_arena(static_cast<int>(b))) continue;
      const int last = std::min(buffer.last, steps() - 1);
      for (int i = buffer.first; i <= last; ++i) live_[i] += static_cast<double>(buffer.bytes);
    }
    find_views();
  }

  double peak() const { return live_.empty() ? 0 : *std::max_element(live_.begin(), live_.end()); }

  // Adds nodes to those dropped until no step is expected to need more than `target` bytes, or
  // nothing helps any more where more than `hopeless` are needed. False if there was nothing to
  // add.
  bool drop_down_to(double target, double hopeless) {
    bool any = false;
    for (;;) {
      const auto worst = std::max_element(live_.begin(), live_.end());
      if (worst == live_.end() || *worst <= target) return any;
      const int best = best_at(static_cast<int>(worst - live_.begin()));
      if (best == kNone && *worst > hopeless) return any;
      if (best == kNone) {
        *worst = 0;  // fits by itself; what is less elsewhere leaves fewer holes between
        continue;
      }
      drop(best);
      any = true;
    }
  }

 private:
  struct Change {
    int from, to;  // steps [from, to)
    double bytes;
  };
  struct Effect {
    int wanted = kNever;  // the step before which the result is computed again
    std::vector<Change> changes;
    double at(int step) const {
      double out = 0;
      for (const Change& c : changes)
        if (c.from <= step && step < c.to) out += c.bytes;
      return out;
    }
  };

  int steps() const { return static_cast<int>(plan_.steps.size()); }
  const graph::Node& node(int n) const { return in_.program.nodes[n]; }
  bool in_arena(int buffer) const {
    return plan_.buffers[buffer].storage == Storage::kArena && plan_.buffers[buffer].first != kNone;
  }
  double bytes(int buffer) const { return static_cast<double>(plan_.buffers[buffer].bytes); }

  void use(int index) {
    const Step& step = plan_.steps[index];
    const auto touch = [&](int buffer) {
      if (buffer != kNone) touches_[buffer].push_back(index);
    };
    const auto all = [&](const std::vector<int>& ids) {
      for (const int id : ids)
        if (id != kNone) touch(plan_.tensors[id].buffer);
    };
    for (const auto* list : {&step.src, &step.dst, &step.diff_dst, &step.diff_src}) all(*list);
    touch(step.workspace);
    for (const int id : step.part < 0 ? step.dst : step.diff_src)
      if (id != kNone) writes_[plan_.tensors[id].buffer].emplace_back(index, id);
    for (size_t i = 0; i < step.src.size(); ++i)
      if (step.mutates[i]) mutated_.insert(plan_.tensors[step.src[i]].value);
    if (index < plan_.forward_steps && step.node != kNone && step.part == ops::kForward)
      step_of_[step.node] = index;
  }

  // Results under other names; a view of a view belongs to the result too.
  void find_views() {
    for (int n = 0; n < in_.program.forward_nodes; ++n) {
      if (!node(n).op->view()) continue;
      const int root = origin(node(n).src[0]);
      origin_[node(n).dst[0]] = root;
      views_[root].push_back(node(n).dst[0]);
    }
  }

  // The result that a value is a view of, or is.
  int origin(int value) const {
    const auto it = origin_.find(value);
    return it == origin_.end() ? value : it->second;
  }

  // A result and the views of it.
  std::vector<int> family(int value) const {
    std::vector<int> out{value};
    if (const auto it = views_.find(value); it != views_.end())
      out.insert(out.end(), it->second.begin(), it->second.end());
    return out;
  }

  std::set<int> buffers_of(int value) const {
    std::set<int> out;
    for (const int v : family(value))
      for (const int t : tensors_[v])
        if (const int b = plan_.tensors[t].buffer; in_arena(b) && !whole_.contains(b))
          out.insert(b);
    return out;
  }

  // The first use of a buffer in the backward pass, the last in the forward pass.
  int first_backward(int buffer) const {
    for (const int step : touches(buffer))
      if (step >= plan_.forward_steps) return step;
    return kNever;
  }
  int last_forward(int buffer) const {
    int out = kNone;
    for (const int step : touches(buffer))
      if (step < plan_.forward_steps) out = step;
    return out;
  }
  const std::vector<int>& touches(int buffer) const {
    static const std::vector<int> none;
    const auto it = touches_.find(buffer);
    return it == touches_.end() ? none : it->second;
  }

  int intact_until(int tensor) const {
    const int buffer = plan_.tensors[tensor].buffer;
    if (plan_.buffers[buffer].storage == Storage::kPart) return plan_.buffers[buffer].last;
    if (!in_arena(buffer)) return kNever;
    const auto found = writes_.find(buffer);
    if (found == writes_.end()) return plan_.buffers[buffer].last;
    const auto& writes = found->second;
    auto next = std::find_if(writes.begin(), writes.end(),
                             [&](const auto& write) { return write.second == tensor; });
    if (next != writes.end()) ++next;  // else a view: its source is written
    return next == writes.end() ? plan_.buffers[buffer].last : next->first;
  }

  // The last step at which a value is there: until its buffer is freed or written over.
  int alive_until(int value) const {
    int out = kNone;
    for (const int t : tensors_[value]) out = std::max(out, intact_until(t));
    if (const auto it = extended_.find(value); it != extended_.end())
      out = std::max(out, it->second);
    return out;
  }

  bool kept(int value) const {
    const std::vector<int> all = family(value);
    return std::any_of(all.begin(), all.end(), [&](int v) { return in_.kept.contains(v); });
  }

  bool may_drop(int n) const {
    if (!repeatable(node(n)) || dropped_.contains(n) || step_of_[n] == kNone) return false;
    if (kept(node(n).dst[0])) return false;
    const std::vector<int> sources = again_sources(node(n));
    return std::none_of(sources.begin(), sources.end(),
                        [&](int i) { return mutated_.contains(node(n).src[i]); });
  }

  // The workspace, if a repetition writes it anew.
  int workspace(int n) const {
    const bool anew = node(n).op->again() == ops::Again::kForward;
    const int buffer = plan_.steps[step_of_[n]].workspace;
    return anew && buffer != kNone && first_backward(buffer) != kNever ? buffer : kNone;
  }

  Effect effect(int n) const {
    Effect out;
    std::set<int> held = buffers_of(node(n).dst[0]);
    if (workspace(n) != kNone) held.insert(workspace(n));
    for (const int buffer : held) out.wanted = std::min(out.wanted, first_backward(buffer));
    if (const auto it = needed_.find(node(n).dst[0]); it != needed_.end())
      out.wanted = std::min(out.wanted, it->second);
    if (out.wanted == kNever) return out;
    for (const int buffer : held)
      out.changes.push_back({last_forward(buffer) + 1, out.wanted, -bytes(buffer)});
    for (const int i : again_sources(node(n))) extend(node(n).src[i], out);
    return out;
  }

  // A source must be there when the result is computed again.
  void extend(int value, Effect& out) const {
    if (in_.program.values[value].kind != graph::ValueKind::kResult || tensors_[value].empty())
      return;
    const double size = bytes(plan_.tensors[tensors_[value].front()].buffer);
    if (copy_[value] != kNone || dropped_values_.contains(value)) {
      int made = kNever;
      if (copy_[value] != kNone)
        made = plan_.buffers[plan_.tensors[tensors_[copy_[value]].front()].buffer].first;
      if (const auto it = remade_.find(value); it != remade_.end())
        made = std::min(made, it->second);
      if (out.wanted < made) out.changes.push_back({out.wanted, std::min(made, steps()), size});
      return;
    }
    const int until = alive_until(value);
    if (until < out.wanted) out.changes.push_back({until + 1, out.wanted + 1, size});
  }

  double cost(int n) const {
    double moved = 0;
    const auto add = [&](int value) {
      if (!tensors_[value].empty())
        moved += static_cast<double>(plan_.tensors[tensors_[value].front()].desc.bytes());
    };
    for (const int i : again_sources(node(n))) add(node(n).src[i]);
    add(node(n).dst[0]);
    return moved * node(n).op->again_cost() + kCallBytes;
  }

  int best_at(int step) const {
    int best = kNone;
    double most = 0;
    for (int n = 0; n < in_.program.forward_nodes; ++n) {
      if (!may_drop(n)) continue;
      const double value = -effect(n).at(step) / cost(n);
      if (value <= most) continue;
      most = value;
      best = n;
    }
    return best;
  }

  void drop(int n) {
    const Effect expected = effect(n);
    for (const Change& c : expected.changes)
      for (int i = c.from; i < std::min(c.to, steps()); ++i) live_[i] += c.bytes;
    dropped_.insert(n);
    for (const int value : family(node(n).dst[0])) {
      dropped_values_.insert(value);
      remade_[value] = expected.wanted;
    }
    for (const int i : again_sources(node(n))) want(node(n).src[i], expected.wanted);
  }

  // A source is read at that step too.
  void want(int value, int step) {
    int& until = extended_.try_emplace(value, kNone).first->second;
    until = std::max(until, step);
    int& needed = needed_.try_emplace(origin(value), kNever).first->second;
    needed = std::min(needed, step);
    if (const auto it = remade_.find(value); it != remade_.end())
      it->second = std::min(it->second, step);
  }

  const Rewriting& in_;
  const Plan& plan_;
  std::set<int>& dropped_;                   // nodes
  std::vector<std::vector<int>> tensors_;    // per value
  std::vector<int> copy_;                    // per value: as what it is computed again here
  std::vector<int> step_of_;                 // per forward node
  std::vector<double> live_;                 // bytes per step
  std::map<int, std::vector<int>> touches_;  // per buffer: the steps that use it
  std::map<int, std::vector<std::pair<int, int>>> writes_;  // ... that write it, and as what tensor
  std::map<int, std::vector<int>> views_;                   // per result
  std::map<int, int> origin_;                               // per view: the result
  std::set<int> whole_;    // buffers that others are parts of: no single result frees one
  std::set<int> mutated_;  // values
  // Of what was dropped since this plan was made:
  std::set<int> dropped_values_;
  std::map<int, int> remade_;    // per value: the step before which it is computed again
  std::map<int, int> extended_;  // per source: the step until which it is read
  std::map<int, int> needed_;    // per result: the first step that does, it or a view of it
};

double mib(size_t bytes) {
  return static_cast<double>(bytes) / 1048576.0;
}

// To what is printed, so that it is enough when it is written as a budget.
double rounded_up(size_t bytes) {
  return std::ceil(mib(bytes) * 10) / 10;
}

class Search {
 public:
  Search(const Rewriting& in, const Draft& draft)
      : in_(in), draft_(draft), budget_(in.options.recompute.budget) {}

  Plan run() {
    Plan plan = made({});
    without_ = least_ = plan.arena_bytes;
    // What is to come off is known only of plans that have been made: fragments, reorders and
    // merging count too. So the target moves with how much of the arena was filled.
    const auto to_budget = [&](const Plan& last, double peak) {
      return peak * static_cast<double>(budget_) / static_cast<double>(last.arena_bytes);
    };
    std::optional<Plan> found = descend(std::move(plan), static_cast<double>(budget_), to_budget);
    // In small steps, the same for every budget: what one run says is possible is so for others.
    if (!found) {
      least_ = without_;
      found = descend(made({}), 0, [](const Plan&, double peak) { return 0.95 * peak; });
    }
    if (!found) refuse();
    found->recomputed.budget = budget_;
    found->recomputed.arena_without = without_;
    found->recomputed.plans = plans_;
    return std::move(*found);
  }

 private:
  Plan made(const std::set<int>& dropped) {
    ++plans_;
    return draft_(dropped);
  }

  // Drops more and more, each time down to `target` bytes alive, until the plan fits.
  template <class Target>
  std::optional<Plan> descend(Plan plan, double hopeless, Target target) {
    std::set<int> dropped;
    while (plan.arena_bytes > budget_) {
      Profile profile(in_, plan, dropped);
      const double to = target(plan, profile.peak());
      if (!profile.drop_down_to(to, hopeless)) return std::nullopt;
      plan = made(dropped);
      least_ = std::min(least_, plan.arena_bytes);
    }
    return plan;
  }

  [[noreturn]] void refuse() const {
    const RecomputeOptions& wanted = in_.options.recompute;
    throw Error(
        wanted.code,
        fmt::format("the memory budget of {} MiB cannot be kept: activations, gradients "
                    "and scratch memory of this net need {:.1f} MiB at least, with "
                    "everything computed again that is cheap ({:.1f} MiB with nothing)",
                    std::round(mib(budget_) * 1000) / 1000, rounded_up(least_), mib(without_)))
        .at(wanted.place)
        .advise(fmt::format(
            "write {:.1f} or more; a smaller batch_size (with iter_size for the same updates), "
            "precision: BF16 or frozen lower layers need less",
            rounded_up(least_)));
  }

  const Rewriting& in_;
  const Draft& draft_;
  size_t budget_, without_ = 0, least_ = 0;
  int plans_ = 0;
};

}  // namespace

Plan plan_within_budget(const Rewriting& in, const Draft& draft) {
  return Search(in, draft).run();
}

}  // namespace crema::plan
