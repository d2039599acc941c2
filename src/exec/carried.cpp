#include "exec/carried.hpp"

namespace crema::exec {

CarriedStates initial_states(const graph::Graph& graph) {
  CarriedStates out;
  for (const graph::CarriedInfo& info : graph.carried) {
    const Shape& shape = graph.values[static_cast<size_t>(info.value)].shape;
    out.push_back({info.name, shape, std::vector<float>(static_cast<size_t>(shape.count()))});
  }
  return out;
}

void reshape_state(const CarriedState& state, const Shape& shape, std::vector<float>& out) {
  CREMA_CHECK(state.shape.rank() == shape.rank(), "a carried state keeps its axes");
  if (state.shape == shape) {
    out = state.values;
    return;
  }
  out.assign(static_cast<size_t>(shape.count()), 0.0f);
  for (int64_t i = 0; i < shape.count(); ++i) {
    // Element i of `shape` at the same place in the state, if it has that place.
    int64_t rest = i, at = 0, step = 1;
    bool there = true;
    for (int axis = shape.rank() - 1; axis >= 0; --axis) {
      const int64_t index = rest % shape[axis];
      rest /= shape[axis];
      there &= index < state.shape[axis];
      at += index * step;
      step *= state.shape[axis];
    }
    if (there) out[static_cast<size_t>(i)] = state.values[static_cast<size_t>(at)];
  }
}

}  // namespace crema::exec
