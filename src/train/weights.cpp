#include "train/weights.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.hpp"

namespace crema::train {

namespace {

using snapshot::Blob;
using snapshot::LayerBlobs;

// The axes without leading ones, which old files and new ones write or leave out.
std::vector<int64_t> core(const Shape& shape) {
  auto first = shape.dims().begin();
  while (first != shape.dims().end() && *first == 1) ++first;
  return {first, shape.dims().end()};
}

// The file's shape with as many axes as the net's, as far as leading ones can be left out for that.
Shape trimmed(const Shape& in_file, const Shape& in_net) {
  std::vector<int64_t> dims = in_file.dims();
  while (static_cast<int>(dims.size()) > in_net.rank() && dims.front() == 1)
    dims.erase(dims.begin());
  return Shape(std::move(dims));
}

// Nothing if the blob cannot become one of this shape on these terms.
std::optional<LoadKind> kind_of(const Blob& blob, const Shape& wanted, OnMismatch terms) {
  if (blob.fits(wanted)) return LoadKind::kLoaded;
  const std::vector<int64_t> a = core(blob.shape), b = core(wanted);
  if (blob.shape.count() == wanted.count() && (a == b || a.size() != b.size()))
    return LoadKind::kReshaped;
  const Shape from = trimmed(blob.shape, wanted);
  if (from.rank() != wanted.rank()) return std::nullopt;
  bool larger = true, smaller = true;
  for (int i = 0; i < from.rank(); ++i) {
    larger &= from[i] >= wanted[i];
    smaller &= from[i] <= wanted[i];
  }
  if (terms == caffe::WeightsMap::SLICE && larger) return LoadKind::kSliced;
  if (terms == caffe::WeightsMap::PAD && smaller) return LoadKind::kPadded;
  return std::nullopt;
}

// The first part along every axis that both have; the rest of `to` stays.
void copy_common(const Shape& from_shape, const float* from, const Shape& to_shape, float* to) {
  if (from_shape.rank() == 0) {
    *to = *from;
    return;
  }
  const int64_t count = std::min(from_shape[0], to_shape[0]);
  const Shape from_inner = from_shape.slice(1, from_shape.rank());
  const Shape to_inner = to_shape.slice(1, to_shape.rank());
  for (int64_t i = 0; i < count; ++i)
    copy_common(from_inner, from + i * from_inner.count(), to_inner, to + i * to_inner.count());
}

double norm_of(const std::vector<float>& values) {
  double sum = 0;
  for (const double v : values) sum += v * v;
  return std::sqrt(sum);
}

// True if the file has values for the layer's blob b.
bool has_values(const LayerBlobs& source, size_t b) {
  return b < source.blobs.size() && !source.blobs[b].shared;
}

// True if the memory of a layer's blob is another blob's.
bool is_shared(const graph::Graph& graph, int layer, size_t b) {
  const int param = graph.layers[static_cast<size_t>(layer)].params[b];
  const graph::ParamInfo& info = graph.params[static_cast<size_t>(param)];
  return info.layer != layer || info.blob != static_cast<int>(b);
}

bool blob_counts_fit(const snapshot::WeightsFile& file, size_t in_file, size_t in_net,
                     OnMismatch terms) {
  if (in_file > in_net) return terms == caffe::WeightsMap::SLICE;
  // HDF5 leaves out what shares memory; which of them that is, is looked at one by one.
  return in_file == in_net || file.hdf5 || terms == caffe::WeightsMap::PAD;
}

}  // namespace

WeightsPlan::WeightsPlan(std::span<const snapshot::WeightsFile> files, const graph::Graph& graph,
                         const WeightsRules& rules, bool whole)
    : files_(files),
      graph_(graph),
      last_(graph.params.size(), -1),
      skipped_(graph.params.size(), false),
      exempt_(graph.params.size(), false),
      unused_(files.size()),
      strict_(rules.strict()),
      lenient_(rules.lenient()),
      from_solver_(rules.from_solver()) {
  Diagnostics found;
  std::vector<std::string> layers;
  for (const graph::LayerInfo& layer : graph.layers)
    if (!layer.decls.empty()) layers.push_back(layer.name);
  if (whole) found.guard([&] { rules.check_used(layers, files); });
  for (size_t f = 0; f < files.size(); ++f) {
    const bool anything = plan_file(f, rules, found);
    if (whole && !anything && !lenient_) report_useless(f, found);
  }
  found.throw_if_any();
}

bool WeightsPlan::plan_file(size_t f, const WeightsRules& rules, Diagnostics& found) {
  const snapshot::WeightsFile& file = files_[f];
  std::map<std::string, size_t> index;  // of several layers of one name the last one counts
  for (size_t i = 0; i < file.layers.size(); ++i) index[file.layers[i].layer] = i;
  std::multimap<size_t, std::pair<int, OnMismatch>> pairs;  // in file order
  std::set<size_t> used;
  for (size_t l = 0; l < graph_.layers.size(); ++l) {
    const graph::LayerInfo& target = graph_.layers[l];
    if (graph_.find_layer(target.name) != static_cast<int>(l)) continue;
    const WeightsRules::Terms terms = rules.terms(target.name, file.path);
    auto source = index.find(terms.from);
    if (source == index.end()) source = index.find(target.name);
    if (source != index.end()) used.insert(source->second);
    if (terms.skip)
      for (const int p : target.params) exempt_[static_cast<size_t>(p)] = true;
    else if (source != index.end())
      pairs.emplace(source->second, std::pair(static_cast<int>(l), terms.on_mismatch));
  }
  bool anything = false;
  for (const auto& [source, pair] : pairs) {
    plan_layer(f, file.layers[source], pair.first, pair.second, found);
    anything |= !file.layers[source].blobs.empty();
  }
  for (size_t i = 0; i < file.layers.size(); ++i)
    if (!file.layers[i].blobs.empty() && !used.contains(i))
      unused_[f].push_back(file.layers[i].layer);
  return anything;
}

void WeightsPlan::report_useless(size_t f, Diagnostics& found) const {
  const std::string& path = files_[f].path;
  if (unused_[f].empty())
    found.add(Error(ErrorCode::kWeights, fmt::format("'{}' holds nothing for this net", path)));
  else
    found
        .add(Error(ErrorCode::kWeights, fmt::format("no layer of the net has a name of '{}', which "
                                                    "has values for: {}",
                                                    path, join(unused_[f], ", "))))
        .advise(from_solver_ ? "say in the solver what they are called in the net: weights_map { "
                               "from: \"old/*\" to: \"new/*\" }"
                             : "these are the weights of another net");
}

bool WeightsPlan::may_miss(const LayerBlobs& source, int layer, size_t b, OnMismatch terms) const {
  return is_shared(graph_, layer, b) ||
         (terms == caffe::WeightsMap::PAD && b >= source.blobs.size());
}

void WeightsPlan::plan_layer(size_t file, const LayerBlobs& source, int layer, OnMismatch terms,
                             Diagnostics& found) {
  const graph::LayerInfo& target = graph_.layers[static_cast<size_t>(layer)];
  std::vector<Copy> copies;
  bool fits = blob_counts_fit(files_[file], source.blobs.size(), target.params.size(), terms);
  for (size_t b = 0; b < target.params.size() && fits; ++b) {
    if (!has_values(source, b)) {
      fits = may_miss(source, layer, b, terms);
      continue;
    }
    // A sharer's own shape counts, not its owner's.
    const auto kind = kind_of(source.blobs[b], target.decls[b].shape, terms);
    fits = kind.has_value();
    if (fits)
      copies.push_back(
          {file, &source, b, static_cast<size_t>(target.params[b]), &target.decls[b].shape, *kind});
  }
  if (fits) {
    for (const Copy& copy : copies) {
      last_[copy.param] = static_cast<int>(copies_.size());
      copies_.push_back(copy);
    }
  } else if (terms == caffe::WeightsMap::SKIP) {
    for (const int p : target.params) skipped_[static_cast<size_t>(p)] = true;
  } else {
    report_mismatch(file, source, layer, terms, found);
  }
}

void WeightsPlan::report_mismatch(size_t file, const LayerBlobs& source, int layer,
                                  OnMismatch terms, Diagnostics& found) const {
  const graph::LayerInfo& target = graph_.layers[static_cast<size_t>(layer)];
  const std::string& path = files_[file].path;
  const std::string called =
      source.layer == target.name ? "" : fmt::format(" (called '{}' there)", source.layer);
  const auto add = [&](std::string message, bool slice, bool pad) {
    std::string hint = "these weights belong to another net";
    if (from_solver_) {
      hint = fmt::format(
          "weights_map {{ to: \"{}\" on_mismatch: SKIP }} in the solver leaves the layer at its "
          "fillers",
          target.name);
      if (slice) hint += "; SLICE takes the first part of what the file has";
      if (pad) hint += "; PAD leaves only what the file lacks at the filler";
    }
    found.add(Error(ErrorCode::kWeights, std::move(message)))
        .at(target.places.at())
        .advise(std::move(hint));
  };
  const size_t have = source.blobs.size(), need = target.params.size();
  if (!blob_counts_fit(files_[file], have, need, terms))
    return add(fmt::format("layer '{}'{} has {} blobs in {}, the net's has {}", target.name, called,
                           have, path, need),
               have > need, have < need);
  for (size_t b = 0; b < need; ++b) {
    if (!has_values(source, b)) {
      if (!may_miss(source, layer, b, terms))
        add(fmt::format("blob {} ({}) of layer '{}'{} is missing in {}", b, target.decls[b].name,
                        target.name, called, path),
            false, true);
      continue;
    }
    const Shape &has = source.blobs[b].shape, &wants = target.decls[b].shape;
    if (kind_of(source.blobs[b], wants, terms)) continue;
    add(fmt::format("blob {} ({}) of layer '{}'{} is {} in {}, the net wants {}", b,
                    target.decls[b].name, target.name, called, has.text(), path, wants.text()),
        kind_of(source.blobs[b], wants, caffe::WeightsMap::SLICE).has_value(),
        kind_of(source.blobs[b], wants, caffe::WeightsMap::PAD).has_value());
  }
}

void WeightsPlan::require(const std::vector<bool>& wanted) const {
  if (lenient_) return;
  Diagnostics found;
  std::set<int> told;
  for (size_t p = 0; p < graph_.params.size(); ++p) {
    if (loaded(p) || exempt_[p] || !(strict_ || wanted[p])) continue;
    const int index = graph_.params[p].layer;
    if (!told.insert(index).second) continue;
    const graph::LayerInfo& layer = graph_.layers[static_cast<size_t>(index)];
    found
        .add(Error(ErrorCode::kWeights,
                   fmt::format("'{}' was to be loaded, but {}", graph_.params[p].name,
                               skipped_[p] ? "its shape differs and on_mismatch says SKIP"
                                           : "no weights file has it")))
        .at(layer.places.at())
        .note(strict_ ? "weights_strict is true" : "a param_rule with loaded: true selects it")
        .advise(fmt::format("weights_map {{ to: \"{}\" skip: true }} accepts that it starts from "
                            "its filler; weights_map {{ from: ... }} says what the file calls it",
                            layer.name));
  }
  found.throw_if_any();
}

void WeightsPlan::copy(const Copy& copy, Net& net) const {
  const Blob& blob = copy.source->blobs[copy.blob];
  if (copy.kind == LoadKind::kLoaded || copy.kind == LoadKind::kReshaped)
    return net.params().set_value(copy.param, blob.values);
  std::vector<float> values = net.params().value(copy.param);
  copy_common(trimmed(blob.shape, *copy.wanted), blob.values.data(), *copy.wanted, values.data());
  net.params().set_value(copy.param, values);
}

std::string WeightsPlan::how(size_t param) const {
  if (!loaded(param)) return skipped_[param] ? "skipped" : "filler";
  switch (copies_[static_cast<size_t>(last_[param])].kind) {
    case LoadKind::kLoaded:
      return "loaded";
    case LoadKind::kReshaped:
      return "reshaped";
    case LoadKind::kSliced:
      return "sliced";
    case LoadKind::kPadded:
      return "padded";
  }
  return {};
}

report::WeightsLoaded WeightsPlan::apply(Net& net) const {
  for (const Copy& each : copies_) copy(each, net);
  report::WeightsLoaded out;
  for (size_t f = 0; f < files_.size(); ++f) out.files.push_back({files_[f].path, {}, unused_[f]});
  const auto once = [](std::vector<std::string>& names, const std::string& name) {
    if (names.empty() || names.back() != name) names.push_back(name);
  };
  for (size_t p = 0; p < graph_.params.size(); ++p) {
    const graph::ParamInfo& param = graph_.params[p];
    const std::string& layer = graph_.layers[static_cast<size_t>(param.layer)].name;
    report::WeightsLoaded::Blob blob{
        param.name, param.shape.text(), how(p), "", "", "", norm_of(net.params().value(p))};
    if (loaded(p)) {
      const Copy& copy = copies_[static_cast<size_t>(last_[p])];
      blob.file = files_[copy.file].path;
      blob.from = fmt::format("{}/{}", copy.source->layer, copy.blob);
      blob.stored_shape = copy.source->blobs[copy.blob].shape.text();
      once(out.files[copy.file].loaded, layer);
    } else {
      once(out.at_filler, layer);
    }
    out.blobs.push_back(std::move(blob));
  }
  return out;
}

report::WeightsLoaded load_weights(std::span<const snapshot::WeightsFile> files, Net& net) {
  return WeightsPlan(files, net.graph(), {}, true).apply(net);
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
