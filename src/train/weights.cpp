#include "train/weights.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace crema::train {

std::string LoadReport::summary(const std::string& path) const {
  const auto list = [](const std::vector<std::string>& names) {
    return names.empty() ? std::string("none") : join(names, ", ");
  };
  return fmt::format(
      "weights from {}: loaded {}; not in the file, left at their fillers: {}; in the "
      "file but not in the net: {}",
      path, list(loaded), list(at_filler), list(unused));
}

namespace {

void check_layer(const snapshot::WeightsFile& file, const snapshot::LayerBlobs& source,
                 const graph::Graph& graph, const graph::LayerInfo& target,
                 Diagnostics& diagnostics) {
  if (source.blobs.size() != target.params.size()) {
    diagnostics
        .add(Error(ErrorCode::kWeights,
                   fmt::format("layer '{}' has {} blobs in {}, the net's has {}", target.name,
                               source.blobs.size(), file.path, target.params.size())))
        .at(target.places.at())
        .advise("rename the layer in the net to leave it at its filler");
    return;
  }
  for (size_t b = 0; b < source.blobs.size(); ++b) {
    // A sharer's own shape counts, not its owner's.
    const Shape& wanted = target.decls[b].shape;
    if (source.blobs[b].fits(wanted)) continue;
    const graph::ParamInfo& param = graph.params[static_cast<size_t>(target.params[b])];
    diagnostics
        .add(Error(
            ErrorCode::kWeights,
            fmt::format("blob {} ({}) of layer '{}' is {} in {}, the net wants {}", b, param.name,
                        target.name, source.blobs[b].shape.text(), file.path, wanted.text())))
        .at(target.places.at())
        .advise(fmt::format("if '{}' is to learn anew, rename the layer: then it starts from its "
                            "filler",
                            target.name));
  }
}

}  // namespace

LoadReport load_weights(const snapshot::WeightsFile& file, Net& net) {
  const graph::Graph& graph = net.graph();
  LoadReport report;
  Diagnostics diagnostics;
  std::set<std::string> named;
  for (const snapshot::LayerBlobs& source : file.layers) {
    named.insert(source.layer);
    const int index = graph.find_layer(source.layer);
    if (index != graph::kNone)
      check_layer(file, source, graph, graph.layers[static_cast<size_t>(index)], diagnostics);
    else if (!source.blobs.empty())
      report.unused.push_back(source.layer);
  }
  diagnostics.throw_if_any();
  for (const snapshot::LayerBlobs& source : file.layers) {
    const int index = graph.find_layer(source.layer);
    if (index == graph::kNone || source.blobs.empty()) continue;
    const graph::LayerInfo& target = graph.layers[static_cast<size_t>(index)];
    for (size_t b = 0; b < source.blobs.size(); ++b)
      net.params().set_value(static_cast<size_t>(target.params[b]), source.blobs[b].values);
    report.loaded.push_back(source.layer);
  }
  for (const graph::LayerInfo& layer : graph.layers)
    if (!layer.params.empty() && !named.contains(layer.name))
      report.at_filler.push_back(layer.name);
  return report;
}

std::vector<snapshot::LayerRecord> weights_of(Net& net) {
  std::vector<snapshot::LayerRecord> out;
  for (const graph::LayerInfo& layer : net.graph().layers) {
    snapshot::LayerRecord record;
    record.definition = layer.param;
    for (size_t b = 0; b < layer.params.size(); ++b) {
      snapshot::Blob blob;
      blob.shape = layer.decls[b].shape;
      blob.values = net.params().value(static_cast<size_t>(layer.params[b]));
      record.blobs.push_back(std::move(blob));
    }
    out.push_back(std::move(record));
  }
  return out;
}

}  // namespace crema::train
