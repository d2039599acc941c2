// The passes behind build(). Private to this room.
#pragma once

#include "graph/graph.hpp"

namespace crema::graph {

// Registers layer `layer`'s blobs as parameters: owners, sharing by ParamSpec name, multipliers.
// Facts: net.md section 5.
class ParamTable {
 public:
  ParamTable(Graph& graph, const BuildOptions& options) : graph_(graph), options_(options) {}
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
  static void refuse_extras(const LayerInfo& layer, int blob, const caffe::ParamSpec& spec,
                            const ParamInfo& owner, Diagnostics& diagnostics);
  Graph& graph_;
  const BuildOptions& options_;
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
