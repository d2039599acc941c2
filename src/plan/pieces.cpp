#include "plan/passes.hpp"

namespace crema::plan {

std::set<int> nodes_in_pieces(const graph::Graph& graph, const Program& program,
                              const PlanOptions& options) {
  std::set<int> out;
  if (!options.hand_out_gradients || !options.in_pieces) return out;
  std::vector<int> last_reader(program.values.size(), kNone);
  for (size_t n = 0; n < program.nodes.size(); ++n)
    for (const int v : plan::reads(program.nodes[n])) last_reader[v] = static_cast<int>(n);
  for (int n = program.forward_nodes; n < static_cast<int>(program.nodes.size()); ++n) {
    const graph::Node& node = program.nodes[n];
    if (node.part < 0 || node.diff_src.size() < 2 || node.diff_src[1] == kNone) continue;
    const int param = program.values[node.src[1]].param;
    if (param != kNone && graph.params[param].gradient == node.diff_src[1] &&
        last_reader[node.diff_src[1]] == kNone && last_reader[node.src[1]] <= n)
      out.insert(n);
  }
  return out;
}

}  // namespace crema::plan
