// Whether a run may compute in bf16.
#pragma once

#include "config/config.hpp"
#include "ops/engine.hpp"
#include "train/net.hpp"

namespace crema::train {

// The kernels' precision for what a solver or a flag asks for. Error{code} at `place` where no
// engine has it here or, unless forced, it is not faster than single precision.
ops::Precision allowed_precision(caffe::SolverParameter::Precision wanted, ErrorCode code,
                                 const Location& place, const Context& context);
// What the plan of a net made of it, for the user; empty where nothing but f32 was asked for.
std::string precision_text(const Net& net);
// The solver's.
ops::Precision solver_precision(const config::SolverConfig& solver, const Context& context);

}  // namespace crema::train
