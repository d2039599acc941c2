// Parameters that are updated alike: one optimizer, one learning-rate policy.
#pragma once

#include <memory>

#include "optim/curve.hpp"
#include "optim/policy.hpp"
#include "optim/rule.hpp"

namespace crema::optim {

struct Group {
  int rule = -1;  // the param_rule whose `optimizer` it is; -1: the solver's own fields
  std::string type;
  std::unique_ptr<UpdateRule> update;
  std::unique_ptr<LrPolicy> policy;
  Curve momentum, weight_decay;
  bool l1 = false;
};

// The group that the solver's fields describe (`rule` < 0), or those of param_rule[rule].optimizer
// on top of them. Error / ErrorList{kConfig}, located where each field was written.
Group make_group(const config::SolverConfig& solver, int rule, const RunLength& run);

}  // namespace crema::optim
