#include "plan/program.hpp"

#include <algorithm>

namespace crema::plan {

using graph::kNone;
using graph::Node;

int Program::resolve(int value) const {
  while (same_as[static_cast<size_t>(value)] != value) value = same_as[static_cast<size_t>(value)];
  return value;
}

int Program::add_value(graph::ValueInfo info) {
  values.push_back(std::move(info));
  const int id = static_cast<int>(values.size()) - 1;
  same_as.push_back(id);
  first_had.push_back(id);
  return id;
}

double Program::flops(const graph::Node& node) const {
  std::vector<Shape> shapes;
  for (const int v : node.src) shapes.push_back(values[static_cast<size_t>(v)].shape);
  return node.op->flops(shapes);
}

void Program::compact() {
  std::vector<int> place(nodes.size(), kNone);
  std::vector<Node> kept;
  int forward = 0;
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (static_cast<int>(i) == forward_nodes) forward = static_cast<int>(kept.size());
    if (!nodes[i].op) continue;
    place[i] = static_cast<int>(kept.size());
    kept.push_back(std::move(nodes[i]));
  }
  if (forward_nodes == static_cast<int>(nodes.size())) forward = static_cast<int>(kept.size());
  forward_nodes = forward;
  nodes = std::move(kept);
  for (Node& node : nodes) {
    if (node.forward == kNone) continue;
    node.forward = place[static_cast<size_t>(node.forward)];
    CREMA_CHECK(node.forward != kNone, "a gradient has lost its forward node");
  }
}

Program program_of(const graph::Graph& graph, int segment) {
  Program out;
  out.values = graph.values;
  out.nodes = graph.nodes;
  out.forward_nodes = graph.forward_nodes;
  out.same_as.resize(out.values.size());
  for (size_t i = 0; i < out.same_as.size(); ++i) out.same_as[i] = static_cast<int>(i);
  out.first_had = out.same_as;
  for (Node& node : out.nodes)
    if (graph.segment_of_layer(node.layer) != segment) node = Node();
  out.compact();
  return out;
}

bool computed_in(const graph::Graph& graph, int value, int segment) {
  const auto id = static_cast<size_t>(value);
  if (id >= graph.values.size()) return true;  // a pass has added it
  return graph.values[id].kind == graph::ValueKind::kResult &&
         graph.segment_of_value(value) == segment;
}

std::set<int> exported_values(const graph::Graph& graph, int segment) {
  std::set<int> out;
  if (graph.cuts.empty()) return out;
  const auto add = [&](int value) {
    if (computed_in(graph, value, segment)) out.insert(value);
  };
  for (const Node& node : graph.nodes)
    if (graph.segment_of_layer(node.layer) != segment)
      for (const int value : graph::reads(node)) add(value);
  for (const graph::CutInfo& cut : graph.cuts) add(cut.selector);
  return out;
}

bool repeats(const Node& node) {
  return node.part == ops::kAgain || (node.part == ops::kForward && node.forward != kNone);
}

std::vector<int> reads(const Node& node) {
  if (node.part != ops::kAgain) return graph::reads(node);
  std::vector<int> out;
  for (const int i : node.op->reads_again()) out.push_back(node.src[static_cast<size_t>(i)]);
  return out;
}

std::vector<int> writes(const Node& node) {
  std::vector<int> out;
  for (const int v : node.part < 0 ? node.dst : node.diff_src)
    if (v != kNone) out.push_back(v);
  return out;
}

Readers::Readers(const Program& program, const std::set<int>& kept)
    : program_(program),
      kept_(kept),
      readers_(program.values.size()),
      gradients_(program.nodes.size()) {
  for (size_t i = 0; i < program.nodes.size(); ++i) {
    const Node& node = program.nodes[i];
    if (!node.op) continue;
    for (const int v : plan::reads(node))
      readers_[static_cast<size_t>(v)].push_back(static_cast<int>(i));
    if (node.part >= 0 && node.forward != kNone)
      gradients_[static_cast<size_t>(node.forward)].push_back(static_cast<int>(i));
  }
}

int Readers::only_forward_reader(int value) const {
  if (kept(value)) return kNone;
  int found = kNone;
  for (const int node : of(value)) {
    if (node >= program_.forward_nodes) continue;
    if (found != kNone) return kNone;  // twice by one node, too
    found = node;
  }
  return found;
}

bool Readers::only_within(int value, const std::set<int>& nodes) const {
  return !kept(value) && std::all_of(of(value).begin(), of(value).end(),
                                     [&](int node) { return nodes.contains(node); });
}

}  // namespace crema::plan
