// What a run computes again to save memory.
#pragma once

#include "config/config.hpp"
#include "train/net.hpp"

namespace crema::train {

// What a solver or flags ask for, `mib` MiB being the budget of AUTO. Where no plan can keep it,
// making one is an Error{code} at `place`.
plan::RecomputeOptions recompute_options(caffe::SolverParameter::Recompute wanted, double mib,
                                         ErrorCode code, const Location& place);
// The solver's.
plan::RecomputeOptions solver_recompute(const config::SolverConfig& solver);
// What the plans of a net made of a budget, for the user; empty without one.
std::string recompute_text(const Net& net);

}  // namespace crema::train
