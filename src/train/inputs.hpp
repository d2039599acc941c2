// What a run changes about a net's inputs: their batch size, or that no data are read at all.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "graph/graph.hpp"

namespace crema::train {

struct InputOptions {
  // No source is opened: every input is one fixed random batch. Labels are in range of the layers
  // that read them, other numbers are N(0, 1).
  bool synthetic = false;
  // For nets that are looked at and not run: the same for each source whose data are missing or
  // for which `shapes` has an entry. Net::notes() says what was assumed.
  bool data_optional = false;
  int64_t epoch_samples = 0;  // of the first source, if it is not opened; 0: unknown
  bool fill = false;  // Input layers get a random batch too, which otherwise cannot be trained
  int64_t batch = 0;  // > 0: instead of every batch size in the definition
  // Shapes of one sample by blob name; of Input layers, and of data layers that are not opened.
  std::map<std::string, Shape> shapes;
};

// The net with the batch size and the Input layers' shapes that `options` asks for. Error{kUsage}
// if the net has no batch size, or no input of a name in `options.shapes` (unless `lenient`).
config::NetConfig with_inputs(config::NetConfig net, const InputOptions& options, bool lenient);

// A fixed batch for input `input`, row-major: a pure function of the seed and the blob's name.
std::vector<float> synthetic_batch(const graph::Graph& graph, const graph::InputInfo& input,
                                   uint64_t seed);

}  // namespace crema::train
