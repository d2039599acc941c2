// What is allowed but does not do what it looks like: for `explain` and warnings.
#pragma once

#include <string>
#include <vector>

#include "optim/optimizer.hpp"

namespace crema::optim {

struct ParamNote {
  int param = -1;  // index in the optimizer's parameters; -1: not about one of them
  std::string text;
  Location place;        // of the field that is meant
  bool warning = false;  // a setting is without effect; else it is as in Caffe, but worth knowing
};

// In the order of the parameters. `solver` is what the optimizer was made from.
std::vector<ParamNote> notes(const Optimizer& optimizer, const config::SolverConfig& solver);

// The same for a reader: what several parameters have in common is one line, "solver.prototxt:9:3:
// 'conv1/weight' and 3 others: grad_mult has no effect under Adam".
std::vector<std::string> note_lines(const std::vector<ParamNote>& notes,
                                    const Optimizer& optimizer);

}  // namespace crema::optim
