// What one update should do to a parameter: the optimizers' formulas once more, in double and apart
// from the update rules, so that what an update did can be held against them.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/registry.hpp"
#include "config/config.hpp"

namespace crema::optim {

// Everything an update of one parameter depends on, as it stands before the update. All spans are
// of the whole parameter, in whatever layout.
struct StepFacts {
  std::span<const float> value, gradient;  // the gradient summed over iter_size passes
  std::vector<std::span<const float>> slots;
  const caffe::SolverParameter* solver = nullptr;  // with the fields of the rule's own optimizer
  double rate = 0;                                 // learning rate x lr_mult
  double policy_rate = 0;                          // learning rate without lr_mult
  int64_t step_count = 0;                          // updates the parameter has had before this one
  double gradient_scale = 1;  // averaging, clipping by norm, grad_mult before clip_value
  double clip_value = 0;      // limit of each element; 0: none
  double after_clip = 1;      // grad_mult behind clip_value
  double l2 = 0, l1 = 0;      // weight_decay x decay_mult
  double momentum = 0, momentum_scale = 1;  // the latter on the velocity that the update finds

  // Element i's gradient without and with decay.
  double bare(size_t i) const;
  double decayed(size_t i) const;
};

// One element's step: value -= carried + rate * direction. What is carried does not depend on the
// rate of this update: velocity that was gathered before.
struct ElementStep {
  double carried = 0, direction = 0;
};
using ElementFormula = std::function<ElementStep(size_t i)>;

// Registered by the optimizer's name.
struct StepFormulaTag {
  using Entry = std::function<ElementFormula(const StepFacts&)>;
  static constexpr const char* kTable = "step formula";
};

// L2 norm, summed in double.
double length_of(std::span<const float> values);

}  // namespace crema::optim
