// What the passes of one net leave to each other: hidden states of recurrent layers.
#pragma once

#include <string>
#include <vector>

#include "plan/plan.hpp"
#include "tensor/shape.hpp"

namespace crema::exec {

struct CarriedState {
  std::string name;  // "lstm/h"
  Shape shape;
  std::vector<float> values;  // row-major
};
using CarriedStates = std::vector<CarriedState>;  // in the order of a graph's `carried`

// All zero, in the graph's shapes.
CarriedStates initial_states(const graph::Graph& graph);

// Writes `state` in another shape of as many axes: elements that both have are kept, others 0.
void reshape_state(const CarriedState& state, const Shape& shape, std::vector<float>& out);

}  // namespace crema::exec
