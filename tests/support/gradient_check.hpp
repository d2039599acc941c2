// Holds an op's gradient rule against central differences, in f64.
#pragma once

#include <set>

#include "support/op_runner.hpp"

namespace crema::test {

struct GradientCheck {
  double step = 1e-5;
  double tolerance = 1e-7;  // of the largest gradient of the source
  std::set<int> skip{};     // sources
  ops::StepInfo at{};
};

// Every gradient part of the op at `inputs`, every source, every element. Choose inputs away from
// kinks (by more than `step`).
void check_gradient(ops::Engine& engine, const ops::Op& op, const std::vector<Values>& inputs,
                    GradientCheck check = {});

}  // namespace crema::test
