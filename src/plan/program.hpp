// What is going to be run: the graph's nodes, rewritten by the fusion passes.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "graph/graph.hpp"

namespace crema::plan {

// Values keep the graph's numbers; passes add new ones at the end. A gradient node's `forward` is
// the node that computes what it differentiates, fused or not; that of a node which computes a
// result again, the one that computes it first.
struct Program {
  std::vector<graph::ValueInfo> values;
  std::vector<graph::Node> nodes;  // while passes run, op == nullptr marks a removed one
  int forward_nodes = 0;
  std::vector<int> same_as;  // per value: the value whose memory holds it, itself as a rule
  std::vector<int>
      first_had;  // per value: the one that it is computed again from, itself as a rule

  // Where a value is found now.
  int resolve(int value) const;
  // Drops removed nodes.
  void compact();
  int add_value(graph::ValueInfo info);
  // Of the node's op; a gradient part counts as much.
  double flops(const graph::Node& node) const;
};

// The nodes of one segment.
Program program_of(const graph::Graph& graph, int segment);

// Whether a value of the graph is a node's result, and the segment's own.
bool computed_in(const graph::Graph& graph, int value, int segment);
// Values of a segment that others read.
std::set<int> exported_values(const graph::Graph& graph, int segment);

// Whether a node computes a result again.
bool repeats(const graph::Node& node);

// Values that a node reads when it runs: sources of a forward node; of others what the op says, and
// the incoming gradients.
std::vector<int> reads(const graph::Node& node);
// Values that it writes.
std::vector<int> writes(const graph::Node& node);

// Who reads what, in a program at rest.
class Readers {
 public:
  // `kept`: values that somebody looks at after a pass; they must be computed as they are.
  Readers(const Program& program, const std::set<int>& kept);
  const std::vector<int>& of(int value) const { return readers_[static_cast<size_t>(value)]; }
  bool kept(int value) const { return kept_.contains(value); }
  // The forward node of the net that is the only one to read the value in the forward pass.
  // kNone if there are several, or none, or the value is kept.
  int only_forward_reader(int value) const;
  // Whether nobody outside `nodes` reads the value, nor is it kept.
  bool only_within(int value, const std::set<int>& nodes) const;
  // Gradient nodes of forward node `node`, in order.
  const std::vector<int>& gradients_of(int node) const {
    return gradients_[static_cast<size_t>(node)];
  }

 private:
  const Program& program_;
  const std::set<int>& kept_;
  std::vector<std::vector<int>> readers_, gradients_;
};

}  // namespace crema::plan
