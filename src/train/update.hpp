// When parameters are updated: each as soon as its gradient is complete, or all after the pass.
#pragma once

#include <set>
#include <string>

#include "config/config.hpp"

namespace crema::train {

// Whether a run needs the gradients of all parameters at once, after the pass. `plan_skip`: plan
// passes that are left out.
bool needs_whole_gradients(const caffe::SolverParameter& solver,
                           const std::set<std::string>& plan_skip);

}  // namespace crema::train
