// Update rules (optimizers): what turns a gradient into a step, over flat spans.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/registry.hpp"
#include "config/config.hpp"

namespace crema::optim {

// The numbers of one parameter's update.
struct StepInfo {
  double rate = 0;         // learning rate x lr_mult: acts on the step, never on the gradient
  int64_t step_count = 0;  // updates this parameter has had before this one
};

// One parameter's memory, element-wise, all spans of equal length. Elements that are padding of an
// opaque layout are zero in value and gradient and stay zero.
struct ParamSpans {
  std::span<float> value;
  std::span<const float> gradient;  // averaged, clipped, with weight decay added
  std::span<const std::span<float>> slots;
};

class UpdateRule {
 public:
  virtual ~UpdateRule() = default;
  // Names of the state arrays per parameter, in BVLC's history order ("momentum"; "m", "v").
  virtual std::vector<std::string> slots() const = 0;
  virtual void step(const ParamSpans& param, const StepInfo& info) const = 0;
  virtual std::string formula() const = 0;
};

struct RuleTag {
  using Entry = std::function<std::unique_ptr<UpdateRule>(const config::SolverConfig&)>;
  static constexpr const char* kTable = "optimizer";
};

// The rule a solver's `type` names ("SGD" if unset); Error{kConfig}, located.
std::unique_ptr<UpdateRule> make_rule(const config::SolverConfig& solver);

}  // namespace crema::optim
