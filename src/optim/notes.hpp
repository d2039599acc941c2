// What is allowed but does not do what it looks like: for `explain` and warnings.
#pragma once

#include <string>
#include <vector>

#include "optim/optimizer.hpp"

namespace crema::optim {

struct ParamNote {
  int param = -1;  // index in the optimizer's parameters; -1: not about one of them
  std::string text;
  Location place;  // of the field that is meant
};

// In the order of the parameters. `solver` is what the optimizer was made from.
std::vector<ParamNote> notes(const Optimizer& optimizer, const config::SolverConfig& solver);

}  // namespace crema::optim
