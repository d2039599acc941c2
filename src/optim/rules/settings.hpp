// Reading the fields that several rules have in common.
#pragma once

#include <fmt/format.h>

#include <limits>

#include "optim/fields.hpp"
#include "optim/rule.hpp"

namespace crema::optim {

// momentum, `unset` where the file says nothing. In [0, 1).
inline double read_average(Fields& fields, const std::string& field, double unset) {
  const double value = fields.has(field) ? fields.number(field) : unset;
  fields.check(value >= 0 && value < 1, field, "in [0, 1)",
               fmt::format("{:g} is the usual value", unset == 0 ? 0.9 : unset));
  return value;
}

// momentum of SGD, Nesterov and what follows them.
inline double read_velocity(Fields& fields) {
  const double momentum = fields.number("momentum");
  fields.check(momentum > -1 && momentum < 1, "momentum", "between -1 and 1 (exclusive)",
               "a velocity that does not fade makes the weights run away");
  return momentum;
}

inline double read_delta(Fields& fields) {
  const double delta = fields.number("delta");
  // Below that, a zero gradient would be divided by zero.
  fields.check(delta >= std::numeric_limits<float>::min(), "delta", "> 0 (and not denormal)",
               "the default is 1e-8");
  return delta;
}

// For rules whose decay is w, whatever regularization_type says.
inline void require_l2(const config::SolverConfig& solver, Fields& fields) {
  if (solver.param.regularization_type() == "L1")
    fields
        .fail("regularization_type",
              fmt::format("{} knows no L1 decay: its weight decay is proportional to the weight",
                          solver.param.type()))
        .advise("remove regularization_type, or take SGD, Nesterov or Adam");
}

inline bool rate_outside(const config::SolverConfig& solver) {
  return solver.param.momentum_form() == caffe::LR_OUTSIDE;
}

}  // namespace crema::optim
