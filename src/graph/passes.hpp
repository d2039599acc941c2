// The passes behind build(). Private to this room.
#pragma once

#include "graph/graph.hpp"

namespace crema::graph {

// Registers layer `layer`'s blobs as parameters: owners, sharing by ParamSpec name, multipliers.
// Facts: net.md section 5.
class ParamTable {
 public:
  explicit ParamTable(Graph& graph) : graph_(graph) {}
  void add_layer(int layer, Diagnostics& diagnostics);

 private:
  struct Sharing {
    int param;
    bool lr_explicit, decay_explicit;
    Location first;
  };
  int own(LayerInfo& layer, int layer_index, int blob, const caffe::ParamSpec& spec);
  void share(LayerInfo& layer, int blob, const caffe::ParamSpec& spec, Sharing& sharing,
             Diagnostics& diagnostics);
  Graph& graph_;
  std::map<std::string, Sharing> shared_;
};

// Decides which layers and bottoms take part in the backward pass, with the reason.
// Facts: net.md section 6.
void plan_backward(Graph& graph, const BuildOptions& options, bool force_backward,
                   Diagnostics& diagnostics);

// Appends the gradient nodes.
void differentiate(Graph& graph, const BuildOptions& options);

int add_value(Graph& graph, ValueInfo value);
// Appends a node and its result values (named after `name`, shapes from the op).
std::vector<int> add_node(Graph& graph, Node node, const std::string& name);

}  // namespace crema::graph
