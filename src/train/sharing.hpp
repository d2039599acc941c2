// A test net works with the weights of the training net.
#pragma once

#include "graph/graph.hpp"

namespace crema::train {

// Layers of equal names share their blobs, one by one (facts: solver.md section 6): the parameters
// of `graph` get the names that they have in `trained`, by which a ParamStore finds them. Layers
// that the training net does not have keep theirs.
// Error / ErrorList{kConfig}, at the layer and its twin, where the number or the shapes of the
// blobs differ.
void share_by_layer(graph::Graph& graph, const graph::Graph& trained);

}  // namespace crema::train
