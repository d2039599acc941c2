// Parameters that learn alike, so that a run's rates are a few curves and not one per parameter.
#pragma once

#include <span>
#include <vector>

#include "graph/graph.hpp"
#include "optim/param_rules.hpp"
#include "report/event.hpp"

namespace crema::train {

struct ParamGroup {
  std::vector<size_t> members;  // indices of Graph::params, ascending, at least one
  // Named after its first member: "conv1/weight +3" for one of four.
  report::RateGroup described(const graph::Graph& graph) const;
};

// Every learnable parameter (running statistics are none) in exactly one group, in the order of
// the first members. Those of a group have one rate throughout the run. `settings` are in the order
// of the graph's parameters.
std::vector<ParamGroup> group_parameters(const graph::Graph& graph,
                                         std::span<const optim::ParamSettings> settings);

}  // namespace crema::train
