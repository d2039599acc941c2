// One update of all parameters. The order, documented in proto/solver.proto:
//   average over iter_size -> grad_mult BEFORE_CLIP -> clip -> grad_mult AFTER_CLIP -> decay ->
//   rule
// (clip before average, as in BVLC, under caffe_compat). Facts: solver.md sections 4 and 5.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "optim/clip.hpp"
#include "optim/ema.hpp"
#include "optim/group.hpp"
#include "optim/param.hpp"

namespace crema::optim {

// What one update did.
struct UpdateReport {
  double rate = 0;  // the policy's rate
  // L2 norm over all parameters that are not frozen, lr_mult 0 included, where clip_gradients needs
  // it, else -1: of the mean gradient, under caffe_compat of the sum over iter_size passes. With
  // another clip_scope the largest of the norms.
  double gradient_norm = -1;
  double clip_scale = 1;  // < 1 if the gradients (with that norm) were scaled down
};

class Optimizer {
 public:
  // Error / ErrorList{kConfig}: every mistake in the solver's update settings and in the optimizers
  // of its rules. No parameters are needed for that: Optimizer(solver, {}) only checks.
  Optimizer(const config::SolverConfig& solver, std::vector<Param> params,
            const RunLength& run = {});

  // Where a parameter's gradient is from now on; empty: it has none and is left alone.
  void set_gradient(size_t param, std::span<const float> gradient);
  // Fits the state's memory to update t: a parameter that is frozen then and does not hold its
  // state has none; one that learns again begins with zeros and a step count of 0. update() does
  // that too.
  void prepare(int64_t t);
  // Applies update t: begin() and finish(). Gradients hold the sum of iter_size passes.
  UpdateReport update(int64_t t);
  // The same where a gradient is there only for a while: step() for parameters that have theirs
  // now, in any order, then finish() for all others. Clipping by norm needs all gradients before
  // begin(). A gradient may come in pieces, in order, where the rule is elementwise: `first` is the
  // piece's first element.
  void begin(int64_t t);
  void step(size_t param, std::span<const float> gradient, size_t first = 0);
  UpdateReport finish();

  const LrPolicy& policy() const { return *groups_[0]->policy; }  // the solver's own
  const UpdateRule& rule() const { return *groups_[0]->update; }
  const std::vector<Param>& params() const { return params_; }
  // The solver's group first, then those of the rules that have an optimizer.
  const std::vector<std::unique_ptr<Group>>& groups() const { return groups_; }
  const Group& group(size_t param) const { return *groups_[group_of_[param]]; }
  const Clipper& clipper() const { return clipper_; }
  Ema& ema() { return ema_; }

  // The numbers of update t for one parameter, as they are applied; a frozen one has rate 0.
  double rate(size_t param, int64_t t) const;
  double weight_decay(size_t param, int64_t t) const;
  double momentum(size_t param, int64_t t) const;

  // State. All parameters under one optimizer: BVLC's history holds slot 0 of all, then slot 1.
  bool uniform() const;
  std::vector<std::string> slot_names(size_t param) const { return group(param).update->slots(); }
  // Empty while the parameter has no state.
  std::span<float> slot(size_t slot, size_t param) { return slots_.at(param).at(slot); }
  // With snapshot_diff: what the last update took off a parameter, zeros before the first.
  std::span<const float> last_step(size_t param) const { return steps_.at(param); }
  size_t state_bytes() const;
  // Called with every step's numbers before it is made (with each piece of it), and may change
  // them: for the learning-rate finder, and for tests of what watches the updates. Empty: nothing
  // is called.
  std::function<void(size_t param, StepInfo& info)> adjust;
  int64_t step_count(size_t param) const { return step_counts_.at(param); }
  // Of a parameter without state it is 0 and stays so.
  void set_step_count(size_t param, int64_t count) {
    if (memory_.at(param)) step_counts_.at(param) = count;
  }

 private:
  void make_groups(const config::SolverConfig& solver, const RunLength& run, Diagnostics& found);
  void check_momentum_correction(const config::SolverConfig& solver, Diagnostics& found) const;
  void give_state(size_t param);
  void take_state(size_t param);
  void apply(size_t param, std::span<const float> gradient, size_t first);

  std::vector<Param> params_;
  std::vector<std::unique_ptr<Group>> groups_;
  std::vector<size_t> group_of_;
  std::vector<std::unique_ptr<Arena>> memory_;        // per parameter: its slots, zeroed
  std::vector<std::vector<std::span<float>>> slots_;  // [param][slot]
  std::vector<std::vector<float>> steps_;             // [param]; empty without snapshot_diff
  std::vector<int64_t> step_counts_;
  int64_t update_ = 0;           // that has begun
  std::vector<size_t> stepped_;  // per parameter: elements in this update
  Clipper clipper_;
  Ema ema_;
  int iter_size_ = 1;
};

}  // namespace crema::optim
