// AMSGrad, for its own type and for Adam with jolibrain's `amsgrad: true`.
#pragma once

#include "optim/rule.hpp"

namespace crema::optim {

// jolibrain's form keeps one second average, of which the maximum is taken at every update.
std::unique_ptr<UpdateRule> make_amsgrad(const config::SolverConfig& solver, bool of_jolibrain);

}  // namespace crema::optim
