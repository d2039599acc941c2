// Update rules (optimizers): what turns a gradient into a step, over flat spans.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "optim/choice.hpp"

namespace crema::optim {

// The numbers of one parameter's update. The gradient that a rule works with is
//   g = gradient_scale * gradient,   clipped to [-clip_value, clip_value] and multiplied by
//                                    after_clip where clip_value > 0,
//   g += l2 * value + l1 * sign(value),   sign(0) = 0, unless the rule decouples the decay,
// so that averaging, clipping and weight decay cost no pass over memory of their own.
struct StepInfo {
  double rate = 0;         // learning rate x lr_mult: acts on the step, never on the gradient
  double policy_rate = 0;  // learning rate without lr_mult
  int64_t step_count = 0;  // updates this parameter has had before this one
  double gradient_scale = 1;
  double clip_value = 0, after_clip = 1;
  double l2 = 0, l1 = 0;      // weight_decay x decay_mult
  double momentum = 0;        // of this update; 0 for rules without
  double momentum_scale = 1;  // on the velocity found, where the rate is inside it
};

// One parameter's memory, element-wise, all spans of equal length. Elements that are padding of an
// opaque layout are zero in value and gradient and stay zero.
struct ParamSpans {
  std::span<float> value;
  std::span<const float> gradient;  // as backward left it
  std::span<const std::span<float>> slots;
  std::span<float> taken = {};  // receives the step, what is taken off `value`; empty: nobody asks
};

class UpdateRule {
 public:
  virtual ~UpdateRule() = default;
  // Names of the state arrays per parameter, in BVLC's history order ("momentum"; "m", "v").
  virtual std::vector<std::string> slots() const = 0;
  // Updates slots and value. The result is the same for any number of threads. A step of 0 leaves
  // the value bit-identical.
  virtual void step(const ParamSpans& param, const StepInfo& info) const = 0;
  virtual std::string formula() const = 0;

  // No element's step depends on another element: a parameter may be updated piece by piece.
  virtual bool elementwise() const { return true; }
  // Its constant momentum; none: it has no such number.
  virtual std::optional<double> momentum() const { return std::nullopt; }
  // What momentum may be; `momentum in RANGE`.
  virtual bool accepts_momentum(double value) const { return value >= 0 && value < 1; }
  // The velocity holds steps, rate included (Caffe's form of momentum).
  virtual bool rate_in_velocity() const { return false; }
  // Decay goes past the gradient, straight to the value.
  virtual bool decouples_decay() const { return false; }
  // A constant factor on the gradient changes nothing (but for delta): it is divided away.
  virtual bool normalises_gradient() const { return false; }
};

struct RuleTag {
  using Entry = Choice<UpdateRule>;
  static constexpr const char* kTable = "optimizer";
};

// The rule a solver's `type` names ("SGD" if unset). Error / ErrorList{kConfig}, located: unknown,
// a field of it is wrong, or one is set that only other rules read.
std::unique_ptr<UpdateRule> make_rule(const config::SolverConfig& solver);
// Whether all rules of a solver are, its param_rules' too. Mistakes in them are left to others.
bool elementwise(const config::SolverConfig& solver);

}  // namespace crema::optim
