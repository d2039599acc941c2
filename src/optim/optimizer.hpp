// One update of all parameters: average -> clip -> decay -> rule (BVLC's order, clip before
// average, under caffe_compat). Facts: solver.md sections 4 and 5.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "optim/policy.hpp"
#include "optim/rule.hpp"

namespace crema::optim {

// A learnable parameter as the optimizer sees it: flat memory in whatever layout.
struct Param {
  std::string name;  // "layer/blob"
  std::span<float> value;
  std::span<float> gradient;  // sum over iter_size passes; clobbered by update()
  double lr_mult = 1;
  double decay_mult = 1;
};

// What one update did.
struct UpdateReport {
  double rate = 0;             // the policy's rate
  double gradient_norm = -1;   // L2 over all parameters where clipping needed it, else -1
  double clip_scale = 1;       // < 1 if the gradients were scaled down
};

class Optimizer {
 public:
  Optimizer(const config::SolverConfig& solver, std::vector<Param> params);

  // Applies update t. Gradients hold the sum of iter_size passes.
  UpdateReport update(int64_t t);

  const LrPolicy& policy() const { return *policy_; }
  const UpdateRule& rule() const { return *rule_; }
  const std::vector<Param>& params() const { return params_; }

  // State, in BVLC's history order: slot-major (all of slot 0, then all of slot 1).
  int slot_count() const;
  std::span<float> slot(int slot, int param);
  int64_t step_count(int param) const;
  void set_step_count(int param, int64_t count);

 private:
  double clip(double* norm);
  void regularise(const Param& param);

  std::unique_ptr<LrPolicy> policy_;
  std::unique_ptr<UpdateRule> rule_;
  std::vector<Param> params_;
  std::vector<std::vector<std::vector<float>>> state_;  // [slot][param]
  std::vector<int64_t> step_counts_;
  double clip_gradients_ = -1, weight_decay_ = 0;
  int iter_size_ = 1;
  bool l1_ = false, clip_before_average_ = false;
};

}  // namespace crema::optim
