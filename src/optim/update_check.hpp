// Whether an update did to each parameter what its settings say. The expected step is computed anew
// from the gradient, the optimizer's state and the settings (step_formula.hpp); what was done is
// the difference of the values. Of a large parameter a fixed sample of elements is looked at, of a
// frozen one every bit.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "optim/optimizer.hpp"
#include "optim/step_formula.hpp"

namespace crema::optim {

enum class Finding {
  kNone,         // as configured
  kUnmeasured,   // no step to measure: a zero gradient, steps below the resolution of float
  kFrozenMoved,  // a frozen parameter's bits changed
  kDecayOnly,    // no gradient reaches it, but weight decay moves it
  kRate,         // it moved along its direction, but not by its rate
  kFormula,      // it moved in another way than its optimizer's formula says
};
std::string name_of(Finding finding);  // "ok", "unmeasured", "frozen_moved", ...

// One parameter in one update.
struct ParamCheck {
  Finding finding = Finding::kNone;
  bool frozen = false, state = false;           // a state that is not frozen is not checked
  double rate = 0;                              // configured: learning rate x lr_mult
  double realised = 0;                          // what the difference of the values amounts to
  double uncertainty = 0;                       // of `realised`, by the rounding of values
  double weight = 0, gradient = 0, update = 0;  // L2 norms: before the update; mean gradient
  bool has_step = false;                        // `realised` means something
  bool measured() const { return has_step && finding != Finding::kUnmeasured; }
};

class UpdateCheck {
 public:
  // `solver` outlives it. `state`, per parameter of the optimizer: running statistics.
  UpdateCheck(const config::SolverConfig& solver, std::vector<bool> state);

  // Around update t. Gradients and state must be what the update will find; `reached`: a gradient
  // is computed for the parameter.
  void before(Optimizer& optimizer, int64_t t, const std::vector<bool>& reached);
  // Before the step of a parameter whose gradient was not there yet, or of a piece of it that
  // begins with element `first`.
  void before(Optimizer& optimizer, int64_t t, size_t param, std::span<const float> gradient,
              size_t first);
  std::vector<ParamCheck> after(const Optimizer& optimizer, int64_t t);

 private:
  struct Sample {
    std::vector<size_t> blocks;                      // where each block of elements begins
    size_t block = 0;                                // elements per block
    std::vector<float> before, expected, direction;  // value; value after; per unit of rate
  };
  void choose_blocks(Sample& sample, size_t count) const;
  void expect(Optimizer& optimizer, size_t p, int64_t t, std::span<const float> gradient,
              size_t first);
  StepFacts facts_of(Optimizer& optimizer, size_t p, int64_t t, std::span<const float> gradient,
                     size_t first) const;
  double clip_scale(const Optimizer& optimizer, size_t p, int64_t t) const;
  void compare(const Param& param, size_t p, ParamCheck& out) const;
  const caffe::SolverParameter& settings_of(int rule);

  const config::SolverConfig& solver_;
  std::vector<bool> state_, reached_;
  std::vector<bool> expected_;                                    // a step is: there is a gradient
  std::vector<std::pair<int, caffe::SolverParameter>> settings_;  // by rule with an optimizer
  std::vector<double> gradient_norms_;                            // of the sum over passes
  std::vector<Sample> samples_;
  std::vector<ParamCheck> checks_;
  std::vector<std::optional<uint64_t>> bits_;  // of frozen parameters, when last looked at
  std::vector<int> no_gradient_;               // checks in a row without a gradient
  int64_t last_ = -1;                          // update that was last checked
};

}  // namespace crema::optim
