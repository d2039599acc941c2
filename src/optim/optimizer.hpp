// One update of all parameters: average -> clip -> decay -> rule (clip before average, as in BVLC,
// under caffe_compat). Facts: solver.md sections 4 and 5.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "optim/param_rules.hpp"
#include "optim/policy.hpp"
#include "optim/rule.hpp"
#include "tensor/tensor.hpp"

namespace crema::optim {

// A learnable parameter as the optimizer sees it: flat memory in whatever layout.
struct Param {
  std::string name;  // "layer/blob"
  std::span<float> value;
  std::span<const float> gradient;  // sum over iter_size passes; update() leaves it as it is
  // lr_mult 0 keeps Caffe's meaning: old velocity still runs out. A frozen parameter is left alone.
  ParamSettings settings = {};
};

// What one update did.
struct UpdateReport {
  double rate = 0;  // the policy's rate
  // L2 norm over all parameters that are not frozen, lr_mult 0 included, where clip_gradients needs
  // it, else -1: of the mean gradient, under caffe_compat of the sum over iter_size passes.
  double gradient_norm = -1;
  double clip_scale = 1;  // < 1 if the gradients were scaled down
};

class Optimizer {
 public:
  // Error / ErrorList{kConfig}: every mistake in the solver's update settings. No parameters are
  // needed for that: Optimizer(solver, {}) only checks.
  Optimizer(const config::SolverConfig& solver, std::vector<Param> params);

  // Applies update t. Gradients hold the sum of iter_size passes.
  UpdateReport update(int64_t t);

  const LrPolicy& policy() const { return *policy_; }
  const UpdateRule& rule() const { return *rule_; }
  const std::vector<Param>& params() const { return params_; }

  // State, in BVLC's history order: slot-major (all of slot 0, then all of slot 1).
  int slot_count() const { return static_cast<int>(slots_.size()); }
  std::span<float> slot(int slot, int param);
  // With snapshot_diff: what the last update took off a parameter, zeros before the first.
  std::span<const float> last_step(int param) const {
    return steps_.at(static_cast<size_t>(param));
  }
  int64_t step_count(int param) const { return step_counts_.at(static_cast<size_t>(param)); }
  void set_step_count(int param, int64_t count) {
    step_counts_.at(static_cast<size_t>(param)) = count;
  }

 private:
  void read_settings(const config::SolverConfig& solver);
  void allocate_state();
  void freeze_and_thaw(int64_t t);
  double gradient_scale(int64_t t, UpdateReport& report);
  double norm_of_sum(int64_t t);

  std::unique_ptr<LrPolicy> policy_;
  std::unique_ptr<UpdateRule> rule_;
  std::vector<Param> params_;
  std::unique_ptr<Arena> memory_;                     // of all slots and steps, zeroed
  std::vector<std::vector<std::span<float>>> slots_;  // [slot][param]
  std::vector<std::span<float>> steps_;               // [param]; empty without snapshot_diff
  std::vector<int64_t> step_counts_;
  struct NormBlock {
    int param;
    std::span<const float> gradient;  // a piece of it
  };
  std::vector<NormBlock> norm_blocks_;  // empty: no clipping
  std::vector<double> norm_sums_;       // one per piece
  double clip_gradients_ = -1, weight_decay_ = 0;
  int iter_size_ = 1;
  bool l1_ = false, clip_before_average_ = false, keep_steps_ = false;
};

}  // namespace crema::optim
