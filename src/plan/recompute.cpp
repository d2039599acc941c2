// The pass recompute: large results of cheap ops die after the forward pass and are computed again
// where the backward pass needs them.
#include <algorithm>
#include <map>

#include "plan/fusion.hpp"

namespace crema::plan {

using graph::Node;

namespace {

class Recomputation {
 public:
  explicit Recomputation(Rewriting& to)
      : program_(to.program),
        readers_(to.program, to.kept),
        backward_(to.program.forward_nodes),
        large_(to.options.recompute_from) {}

  void run() {
    for (int n = 0; n < backward_; ++n)
      if (worth(n)) drop(n);
    insert();
  }

 private:
  const Node& at(int n) const { return program_.nodes[static_cast<size_t>(n)]; }

  // The first node of the backward pass that reads a value; kNone if none does.
  int first_reader(int value) const {
    int first = kNone;
    for (const int reader : readers_.of(value))
      if (reader >= backward_ && (first == kNone || reader < first)) first = reader;
    return first;
  }

  std::vector<int> sources(const Node& node) const {
    if (node.op->again() == ops::Again::kForward) return node.src;
    std::vector<int> out;
    for (const int i : node.op->reads_again()) out.push_back(node.src[static_cast<size_t>(i)]);
    return out;
  }

  bool worth(int n) const {
    const Node& node = at(n);
    if (node.part != ops::kForward || node.op->again() == ops::Again::kNo || node.dst.size() != 1)
      return false;
    const int value = node.dst[0];
    const int wanted = first_reader(value);
    if (wanted == kNone || readers_.kept(value)) return false;
    if (program_.values[static_cast<size_t>(value)].shape.count() < large_) return false;
    const std::vector<int> needed = sources(node);
    return std::all_of(needed.begin(), needed.end(),
                       [&](int source) { return there_anyway(source, wanted); });
  }

  // Whether a value lives until node `until` of the backward pass without our asking.
  bool there_anyway(int value, int until) const {
    if (program_.values[static_cast<size_t>(value)].kind != graph::ValueKind::kResult) return true;
    if (dropped_.contains(value)) return false;
    const auto& readers = readers_.of(value);
    return readers_.kept(value) ||
           std::any_of(readers.begin(), readers.end(), [&](int reader) { return reader >= until; });
  }

  void drop(int n) {
    Node again = at(n);
    const int value = again.dst[0], wanted = first_reader(value);
    graph::ValueInfo info = program_.values[static_cast<size_t>(value)];
    info.name += " again";
    const int copy = program_.add_value(std::move(info));
    program_.first_had[static_cast<size_t>(copy)] = value;
    again.dst = {copy};
    if (again.op->again() == ops::Again::kWorkspace) {
      again.part = ops::kAgain;
      again.forward = n;
    }
    for (const int reader : readers_.of(value)) {
      if (reader < backward_) continue;
      Node& node = program_.nodes[static_cast<size_t>(reader)];
      for (auto* list : {&node.src, &node.dst, &node.diff_dst})
        std::replace(list->begin(), list->end(), value, copy);
    }
    dropped_.insert(value);
    before_[wanted].push_back(std::move(again));
  }

  // The new nodes, each before the first that reads its result.
  void insert() {
    std::vector<Node> nodes;
    std::vector<int> place;
    for (int n = 0; n < static_cast<int>(program_.nodes.size()); ++n) {
      if (const auto it = before_.find(n); it != before_.end())
        for (Node& node : it->second) nodes.push_back(std::move(node));
      place.push_back(static_cast<int>(nodes.size()));
      nodes.push_back(std::move(program_.nodes[static_cast<size_t>(n)]));
    }
    for (Node& node : nodes)
      if (node.forward != kNone) node.forward = place[static_cast<size_t>(node.forward)];
    program_.nodes = std::move(nodes);
  }

  Program& program_;
  Readers readers_;
  int backward_;                             // the first node of the backward pass
  int64_t large_;                            // elements of what is worth dropping
  std::set<int> dropped_;                    // values
  std::map<int, std::vector<Node>> before_;  // by position
};

}  // namespace

void recompute(Rewriting& to) {
  Recomputation(to).run();
}

}  // namespace crema::plan
