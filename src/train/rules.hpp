// Between a net and the rules for its parameters: facts out of the graph, choices into it.
#pragma once

#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "graph/graph.hpp"
#include "optim/param_rules.hpp"
#include "snapshot/weights.hpp"

namespace crema::train {

// The weights files a run starts from: `given` on the command line, else those of the solver.
std::vector<std::string> weights_paths(const std::vector<std::string>& given,
                                       const config::SolverConfig& solver);

// Which parameters come from weights files; recorded in a snapshot, so that `new` and `loaded` mean
// the same after a resume.
struct Loaded {
  bool given = false;           // there are weights files
  std::set<std::string> names;  // of parameters, "conv1/weight"
};
// The parameters that the files fill on the solver's terms. Error / ErrorList: as WeightsPlan, and
// for layers that weights_strict or a rule with loaded: true names, but no file fills.
Loaded loaded_from(std::span<const snapshot::WeightsFile> files, const graph::Graph& graph,
                   const config::SolverConfig& solver);

// How long the run is. A solver's max_epoch becomes its max_iter here. Error{kConfig} if the epoch
// has no known length (batches_per_epoch 0).
optim::RunLength run_length(config::SolverConfig& solver, double batches_per_epoch);

optim::NetFacts facts_of(const graph::Graph& graph, const Loaded& loaded);

// What the graph of iteration t is built with. `settings` are in the order of the graph's
// parameters.
std::map<std::string, graph::ParamChoice> choices_at(
    int64_t t, const graph::Graph& graph, std::span<const optim::ParamSettings> settings);

}  // namespace crema::train
