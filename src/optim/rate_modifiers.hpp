// What can be put around any learning-rate policy: a floor (min_lr) and a warm-up.
#pragma once

#include <memory>

#include "optim/policy.hpp"

namespace crema::optim {

// Collects the mistakes in the fields that the two read.
void check_modifiers(const config::SolverConfig& solver, Diagnostics& found);

// The policy with its floor; itself where there is none.
//   RELATIVE   rate_of(t, m) = m * max(rate(t) + share(t) * min_lr, min_lr)
//   ABSOLUTE   rate_of(t, m) = max(m * rate(t) + share(t) * min_lr, min_lr), 0 for m = 0
// without the max where the policy does not stop at a floor.
std::unique_ptr<LrPolicy> with_floor(const config::SolverConfig& solver,
                                     std::unique_ptr<LrPolicy> policy);

// The policy behind its warm-up (proto/policies.proto); itself where there is none. The names of
// other Caffes: the target is base_lr, and NVIDIA's rate stays at min_lr or above.
std::unique_ptr<LrPolicy> with_warmup(const config::SolverConfig& solver,
                                      std::unique_ptr<LrPolicy> policy);

}  // namespace crema::optim
