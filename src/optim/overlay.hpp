// The solver as those parameters see it that have an optimizer of their own.
#pragma once

#include "config/config.hpp"

namespace crema::optim {

// The solver without its rules, with the fields of `param_rule[rule].optimizer` in the place of its
// own; mistakes in them are located there. What the rule replaces takes its companions along: with
// another type or lr_policy the fields that only the old one reads are gone, with a number the
// schedule of the same thing, and the other way round.
config::SolverConfig with_optimizer_of(const config::SolverConfig& solver, int rule);

}  // namespace crema::optim
