#include "train/sharing.hpp"

#include <fmt/format.h>

namespace crema::train {

namespace {

// What keeps two layers of one name from sharing their blobs; "" if nothing does.
std::string difference(const graph::LayerInfo& layer, const graph::LayerInfo& twin) {
  if (layer.params.size() != twin.params.size())
    return fmt::format("it has {} blobs here and {} in the training net", layer.params.size(),
                       twin.params.size());
  for (size_t b = 0; b < layer.params.size(); ++b)
    if (layer.decls[b].shape != twin.decls[b].shape)
      return fmt::format("blob {} ({}) is {} here and {} in the training net", b,
                         layer.decls[b].name, layer.decls[b].shape.text(),
                         twin.decls[b].shape.text());
  return {};
}

}  // namespace

void share_by_layer(graph::Graph& graph, const graph::Graph& trained) {
  Diagnostics diagnostics;
  std::vector<std::string> names(graph.params.size());
  for (const graph::LayerInfo& layer : graph.layers) {
    const int found = trained.find_layer(layer.name);
    if (found == graph::kNone) continue;
    const graph::LayerInfo& twin = trained.layers[static_cast<size_t>(found)];
    if (const std::string differs = difference(layer, twin); !differs.empty()) {
      Error& error = diagnostics.add(
          Error(ErrorCode::kConfig, fmt::format("layer '{}' cannot use the weights of the training "
                                                "net's layer of that name: {}",
                                                layer.name, differs)));
      error.at(layer.places.at()).note("the training net's is here", twin.places.at());
      error.advise("make the two alike, or give them different names");
      continue;
    }
    for (size_t b = 0; b < layer.params.size(); ++b) {
      std::string& name = names[static_cast<size_t>(layer.params[b])];
      const std::string& wanted = trained.params[static_cast<size_t>(twin.params[b])].name;
      if (!name.empty() && name != wanted)
        diagnostics
            .add(
                Error(ErrorCode::kConfig,
                      fmt::format("layer '{}' shares its blob {} here, but not in the training net",
                                  layer.name, b)))
            .at(layer.places.at(fmt::format("param[{}].name", b)))
            .note("the training net's layer is here", twin.places.at())
            .advise("write the same names in param { name } of both, or in neither");
      name = wanted;
    }
  }
  diagnostics.throw_if_any();
  for (size_t p = 0; p < names.size(); ++p)
    if (!names[p].empty()) graph.params[p].name = names[p];
}

}  // namespace crema::train
