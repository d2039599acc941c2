#include "train/groups.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace crema::train {

report::RateGroup ParamGroup::described(const graph::Graph& graph) const {
  report::RateGroup out;
  for (const size_t i : members) out.parameters.push_back(graph.params[i].name);
  out.name = out.parameters[0];
  if (members.size() > 1) out.name += fmt::format(" +{}", members.size() - 1);
  return out;
}

std::vector<ParamGroup> group_parameters(const graph::Graph& graph,
                                         std::span<const optim::ParamSettings> settings) {
  const auto alike = [&](size_t a, size_t b) {
    const optim::ParamSettings &one = settings[a], &other = settings[b];
    return one.lr_mult == other.lr_mult && one.freeze.until == other.freeze.until &&
           one.freeze.from == other.freeze.from && one.optimizer_rule == other.optimizer_rule;
  };
  std::vector<ParamGroup> out;
  for (size_t i = 0; i < graph.params.size(); ++i) {
    if (graph.params[i].state) continue;
    const auto group = std::find_if(out.begin(), out.end(), [&](const ParamGroup& candidate) {
      return alike(candidate.members[0], i);
    });
    if (group == out.end())
      out.push_back({{i}});
    else
      group->members.push_back(i);
  }
  return out;
}

}  // namespace crema::train
