// Where crema differs from BVLC on purpose: README, Differences from Caffe. Nothing else may.
#include <fmt/format.h>

#include "suite.hpp"

namespace crema::conformance {

void say_differs(const std::string& what, const std::string& why) {
  fmt::print("differs by choice: {}: {}\n", what, why);
}

std::string note_instead_of_refusal(const std::string& reject) {
  static const std::map<std::string, std::string> table{
      // Statistics are state: a multiplier on them can do no harm, so it does not stop a run.
      {"batchnorm_lr", "has no effect: it is a running statistic, not a parameter"},
  };
  const auto it = table.find(reject);
  return it == table.end() ? std::string() : it->second;
}

std::string beyond_bvlc(const std::string& solver_file) {
  static const std::set<std::string> types{"SGD",     "Nesterov", "AdaGrad",
                                           "RMSProp", "AdaDelta", "Adam"};
  const std::string type = config::read_solver(solver_file).param.type();
  return types.contains(type) ? std::string()
                              : fmt::format("crema has the optimizer {}, BVLC does not", type);
}

bool bvlc_overwrites_gradient(const graph::LayerInfo& layer, size_t blob,
                              const graph::Graph& graph) {
  if (layer.type == "Parameter") return true;
  if (layer.type != "Scale" || blob != 0 || layer.bottoms.size() != 1) return false;
  // The factor covers the whole input, or has several elements and nothing before its axis.
  const Shape& input = graph.values[static_cast<size_t>(layer.bottom_values[0])].shape;
  const Shape& factor = layer.decls[0].shape;
  const int axis = layer.param.scale_param().axis();
  const int64_t before = input.count(0, axis < 0 ? axis + input.rank() : axis);
  return factor == input || (before == 1 && factor.count() > 1);
}

}  // namespace crema::conformance
