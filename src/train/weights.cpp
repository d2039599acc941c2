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

// True if the file has values for the layer's blob b.
bool has_values(const snapshot::LayerBlobs& source, size_t b) {
  return b < source.blobs.size() && !source.blobs[b].shared;
}

// True if the memory of a layer's blob is another blob's.
bool is_shared(const graph::Graph& graph, int layer, size_t b) {
  const int param = graph.layers[static_cast<size_t>(layer)].params[b];
  const graph::ParamInfo& info = graph.params[static_cast<size_t>(param)];
  return info.layer != layer || info.blob != static_cast<int>(b);
}

void check_layer(const snapshot::WeightsFile& file, const snapshot::LayerBlobs& source,
                 const graph::Graph& graph, int index, Diagnostics& diagnostics) {
  const graph::LayerInfo& target = graph.layers[static_cast<size_t>(index)];
  const auto add = [&](const std::string& message, const std::string& hint) {
    diagnostics.add(Error(ErrorCode::kWeights, message)).at(target.places.at()).advise(hint);
  };
  const size_t have = source.blobs.size(), need = target.params.size();
  if (have > need || (have < need && !file.hdf5))
    return add(fmt::format("layer '{}' has {} blobs in {}, the net's has {}", target.name, have,
                           file.path, need),
               "rename the layer in the net to leave it at its filler");
  for (size_t b = 0; b < need; ++b) {
    const std::string& name = graph.params[static_cast<size_t>(target.params[b])].name;
    if (!has_values(source, b)) {
      if (!is_shared(graph, index, b))
        add(fmt::format("blob {} ({}) of layer '{}' is missing in {}", b, name, target.name,
                        file.path),
            "an HDF5 file leaves out only blobs that share the memory of another layer's");
      continue;
    }
    // A sharer's own shape counts, not its owner's.
    const Shape& wanted = target.decls[b].shape;
    if (!source.blobs[b].fits(wanted))
      add(fmt::format("blob {} ({}) of layer '{}' is {} in {}, the net wants {}", b, name,
                      target.name, source.blobs[b].shape.text(), file.path, wanted.text()),
          fmt::format("if '{}' is to learn anew, rename the layer: then it starts from its filler",
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
      check_layer(file, source, graph, index, diagnostics);
    else if (!source.blobs.empty())
      report.unused.push_back(source.layer);
  }
  diagnostics.throw_if_any();
  for (const snapshot::LayerBlobs& source : file.layers) {
    const int index = graph.find_layer(source.layer);
    if (index == graph::kNone || source.blobs.empty()) continue;
    const graph::LayerInfo& target = graph.layers[static_cast<size_t>(index)];
    for (size_t b = 0; b < source.blobs.size(); ++b)
      if (has_values(source, b))
        net.params().set_value(static_cast<size_t>(target.params[b]), source.blobs[b].values);
    report.loaded.push_back(source.layer);
  }
  for (const graph::LayerInfo& layer : graph.layers)
    if (!layer.params.empty() && !named.contains(layer.name))
      report.at_filler.push_back(layer.name);
  return report;
}

std::vector<snapshot::LayerRecord> weights_of(Net& net, const optim::Optimizer* steps) {
  const graph::Graph& graph = net.graph();
  std::vector<snapshot::LayerRecord> out;
  for (int l = 0; l < static_cast<int>(graph.layers.size()); ++l) {
    const graph::LayerInfo& layer = graph.layers[static_cast<size_t>(l)];
    snapshot::LayerRecord record;
    record.definition = layer.param;
    for (size_t b = 0; b < layer.params.size(); ++b) {
      const size_t p = static_cast<size_t>(layer.params[b]);
      snapshot::Blob blob;
      blob.shape = layer.decls[b].shape;
      blob.values = net.params().value(p);
      if (steps) blob.diff = net.params().to_plain(p, steps->last_step(p).data());
      blob.shared = is_shared(graph, l, b);
      record.blobs.push_back(std::move(blob));
    }
    out.push_back(std::move(record));
  }
  return out;
}

}  // namespace crema::train
