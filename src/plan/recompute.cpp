// The pass recompute: results of cheap ops die after the forward pass and are computed again where
// the backward pass needs them.
#include "plan/recompute.hpp"

#include <algorithm>

namespace crema::plan {

using graph::Node;

namespace {

// Puts the nodes that compute dropped results again before the first that needs them.
class Repetition {
 public:
  Repetition(Program& program, const std::set<int>& dropped)
      : program_(program),
        maker_(program.values.size(), kNone),
        copy_(program.values.size(), kNone),
        again_(program.nodes.size(), kNone) {
    for (int n = 0; n < program.forward_nodes; ++n) {
      const Node& node = at(n);
      const bool follows = node.op->view() && maker_[node.src[0]] != kNone;
      if (dropped.contains(n) || follows) maker_[node.dst[0]] = n;
    }
  }

  void run() {
    std::vector<int> place;
    for (int n = 0; n < static_cast<int>(program_.nodes.size()); ++n) {
      if (n >= program_.forward_nodes) provide(program_.nodes[n]);
      place.push_back(static_cast<int>(nodes_.size()));
      nodes_.push_back(at(n));
      if (n >= program_.forward_nodes) read_copies(nodes_.back());
    }
    for (Node& node : nodes_) {
      if (node.forward == kNone) continue;
      const int again = again_[node.forward];
      const bool moved = node.part >= 0 && again != kNone && reads_workspace(node);
      node.forward = moved ? again : place[node.forward];
    }
    program_.nodes = std::move(nodes_);
  }

 private:
  const Node& at(int n) const { return program_.nodes[n]; }

  static bool reads_workspace(const Node& node) {
    return node.op->gradient()[node.part].reads_workspace;
  }

  void provide(const Node& node) {
    for (const int value : plan::reads(node)) make(value);
    if (node.part < 0 || node.forward == kNone || !reads_workspace(node)) return;
    const Node& forward = at(node.forward);
    if (forward.op->again() == ops::Again::kForward) make(forward.dst[0]);
  }

  void make(int value) {
    if (maker_[value] == kNone || copy_[value] != kNone) return;
    const int n = maker_[value];
    Node again = at(n);
    for (const int i : again_sources(again)) {
      make(again.src[i]);
      if (copy_[again.src[i]] != kNone) again.src[i] = copy_[again.src[i]];
    }
    graph::ValueInfo info = program_.values[value];
    info.name += " again";
    const int copy = program_.add_value(std::move(info));
    program_.first_had[copy] = value;
    copy_[value] = copy;
    again.dst = {copy};
    if (!again.op->view()) {
      again.forward = n;
      if (again.op->again() == ops::Again::kWorkspace)
        again.part = ops::kAgain;
      else
        again_[n] = static_cast<int>(nodes_.size());
    }
    nodes_.push_back(std::move(again));
  }

  void read_copies(Node& node) const {
    for (auto* list : {&node.src, &node.dst})
      for (int& value : *list)
        if (value != kNone && value < static_cast<int>(copy_.size()) && copy_[value] != kNone)
          value = copy_[value];
  }

  Program& program_;
  std::vector<int> maker_;  // per value: the node that computes it, if it is dropped
  std::vector<int> copy_;   // per value: what it is computed again as
  std::vector<int> again_;  // per node: the one that does so and writes the workspace
  std::vector<Node> nodes_;
};

// What is worth dropping as a rule: large results whose sources live anyway.
class Rule {
 public:
  explicit Rule(const Rewriting& in)
      : program_(in.program), readers_(in.program, in.kept), large_(in.options.recompute_from) {}

  std::set<int> run() {
    std::set<int> out;
    for (int n = 0; n < program_.forward_nodes; ++n) {
      if (!worth(program_.nodes[n])) continue;
      out.insert(n);
      dropped_.insert(program_.nodes[n].dst[0]);
    }
    return out;
  }

 private:
  // The first node of the backward pass that reads a value; kNone if none does.
  int first_reader(int value) const {
    for (const int reader : readers_.of(value))
      if (reader >= program_.forward_nodes) return reader;
    return kNone;
  }

  bool worth(const Node& node) const {
    if (!repeatable(node) || !node.op->again_as_a_rule()) return false;
    const int value = node.dst[0], wanted = first_reader(value);
    if (wanted == kNone || readers_.kept(value)) return false;
    if (program_.values[value].shape.count() < large_) return false;
    const std::vector<int> needed = again_sources(node);
    return std::all_of(needed.begin(), needed.end(),
                       [&](int i) { return there_anyway(node.src[i], wanted); });
  }

  // Whether a value lives until node `until` of the backward pass without our asking.
  bool there_anyway(int value, int until) const {
    if (program_.values[value].kind != graph::ValueKind::kResult) return true;
    if (dropped_.contains(value)) return false;
    const auto& readers = readers_.of(value);
    return readers_.kept(value) ||
           std::any_of(readers.begin(), readers.end(), [&](int reader) { return reader >= until; });
  }

  const Program& program_;
  Readers readers_;
  int64_t large_;
  std::set<int> dropped_;  // values
};

}  // namespace

bool repeatable(const Node& node) {
  if (node.part != ops::kForward || node.dst.size() != 1 || node.op->view()) return false;
  return node.op->again() == ops::Again::kWorkspace ||
         (node.op->again() == ops::Again::kForward && node.op->mutates().empty());
}

std::vector<int> again_sources(const Node& node) {
  if (node.op->again() == ops::Again::kWorkspace) return node.op->reads_again();
  std::vector<int> out(node.src.size());
  for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<int>(i);
  return out;
}

void repeat(Program& program, const std::set<int>& dropped) {
  if (!dropped.empty()) Repetition(program, dropped).run();
}

std::set<int> dropped_as_a_rule(const Rewriting& in) {
  return Rule(in).run();
}

}  // namespace crema::plan
