// The `share` pass: learnable blobs, counted once, with one multiplier pair each.
#include <fmt/format.h>

#include "graph/passes.hpp"
#include "layers/filler.hpp"

namespace crema::graph {

namespace {

std::string spec_path(int blob, const char* field) {
  return fmt::format("param[{}].{}", blob, field);
}

}  // namespace

int ParamTable::own(LayerInfo& layer, int layer_index, int blob, const caffe::ParamSpec& spec) {
  const layers::ParamDecl& decl = layer.decls[static_cast<size_t>(blob)];
  ParamInfo info;
  info.name = layer.name + "/" + decl.name;
  info.layer = layer_index;
  info.blob = blob;
  info.shape = decl.shape;
  info.filler = decl.filler;
  info.state = decl.state;
  info.lr_mult = decl.state ? 0 : spec.lr_mult();
  info.decay_mult = decl.state ? 0 : spec.decay_mult();
  info.lr_mult_place = layer.places.at(spec_path(blob, "lr_mult"));
  info.decay_mult_place = layer.places.at(spec_path(blob, "decay_mult"));
  info.spec = spec;
  info.spec_places = layer.places.inside(fmt::format("param[{}]", blob));
  const auto choice = options_.choices.find(info.name);
  if (choice != options_.choices.end())
    info.choice = choice->second;
  else
    info.choice.learns = info.lr_mult != 0;
  const int index = static_cast<int>(graph_.params.size());
  ValueInfo value;
  value.name = info.name;
  value.shape = info.shape;
  value.kind = ValueKind::kParam;
  value.param = index;
  info.value = add_value(graph_, std::move(value));
  graph_.params.push_back(std::move(info));
  return index;
}

void ParamTable::share(LayerInfo& layer, int blob, const caffe::ParamSpec& spec, Sharing& sharing,
                       Diagnostics& diagnostics) {
  ParamInfo& owner = graph_.params[static_cast<size_t>(sharing.param)];
  const Shape& shape = layer.decls[static_cast<size_t>(blob)].shape;
  const bool permissive = spec.share_mode() == caffe::ParamSpec::PERMISSIVE;
  const Location here = layer.places.at(spec_path(blob, "name"));
  if (permissive ? shape.count() != owner.shape.count() : shape != owner.shape) {
    diagnostics
        .add(
            Error(ErrorCode::kConfig,
                  fmt::format("blob {} of layer '{}' cannot share parameter '{}': its shape is {}, "
                              "the owner '{}' has {}",
                              blob, layer.name, spec.name(), shape.text(), owner.name,
                              owner.shape.text())))
        .at(here)
        .note("the owner is named here", sharing.first)
        .advise(permissive ? "the element counts must be equal"
                           : "make the shapes equal, or write share_mode: PERMISSIVE in the later "
                             "layer where only the element count is equal");
    return;
  }
  const auto merge = [&](bool has, double mine, double& theirs, bool& is_explicit, Location& place,
                         const char* field) {
    if (!has) return;
    const Location at = layer.places.at(spec_path(blob, field));
    if (is_explicit && mine != theirs) {
      diagnostics
          .add(Error(ErrorCode::kConfig,
                     fmt::format("shared parameter '{}' has {} {} here and {} elsewhere",
                                 spec.name(), field, mine, theirs)))
          .at(at)
          .note("the other value", place)
          .advise(
              "a shared parameter has one value of each multiplier: write it once, or the same");
    } else if (!is_explicit) {
      theirs = mine;
      is_explicit = true;
      place = at;
    }
  };
  refuse_extras(layer, blob, spec, owner, diagnostics);
  merge(spec.has_lr_mult(), spec.lr_mult(), owner.lr_mult, sharing.lr_explicit, owner.lr_mult_place,
        "lr_mult");
  merge(spec.has_decay_mult(), spec.decay_mult(), owner.decay_mult, sharing.decay_explicit,
        owner.decay_mult_place, "decay_mult");
  if (!options_.choices.contains(owner.name)) owner.choice.learns = owner.lr_mult != 0;
}

// Settings beyond BVLC's two have one place: the block of the owner.
void ParamTable::refuse_extras(const LayerInfo& layer, int blob, const caffe::ParamSpec& spec,
                               const ParamInfo& owner, Diagnostics& diagnostics) {
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  spec.GetReflection()->ListFields(spec, &fields);
  for (const auto* field : fields)
    if (field->number() >= 1000)
      diagnostics
          .add(Error(ErrorCode::kConfig,
                     fmt::format("shared parameter '{}' takes {} from its owner '{}' only",
                                 spec.name(), field->name(), owner.name)))
          .at(layer.places.at(spec_path(blob, field->name().c_str())))
          .advise("move it to the param block of the owner");
}

void ParamTable::add_layer(int layer_index, Diagnostics& diagnostics) {
  LayerInfo& layer = graph_.layers[static_cast<size_t>(layer_index)];
  const int blobs = static_cast<int>(layer.decls.size());
  if (layer.param.param_size() > blobs) {
    diagnostics
        .add(Error(ErrorCode::kConfig,
                   fmt::format("layer '{}' has {} param blocks but {} learnable blobs", layer.name,
                               layer.param.param_size(), blobs)))
        .at(layer.places.at(fmt::format("param[{}]", blobs)))
        .advise("remove the surplus param blocks");
  }
  for (int blob = 0; blob < blobs; ++blob) {
    const caffe::ParamSpec spec =
        blob < layer.param.param_size() ? layer.param.param(blob) : caffe::ParamSpec();
    const layers::ParamDecl& decl = layer.decls[static_cast<size_t>(blob)];
    if (decl.state && spec.has_lr_mult() && spec.lr_mult() != 0)
      graph_.notes.push_back(fmt::format(
          "{}: lr_mult {} of '{}/{}' has no effect: it is a running statistic, not a parameter",
          layer.places.at(spec_path(blob, "lr_mult")).text(), spec.lr_mult(), layer.name,
          decl.name));
    const auto shared = spec.name().empty() ? shared_.end() : shared_.find(spec.name());
    if (shared != shared_.end()) {
      share(layer, blob, spec, shared->second, diagnostics);
      layer.params.push_back(shared->second.param);
      continue;
    }
    const int index = own(layer, layer_index, blob, spec);
    layer.params.push_back(index);
    if (!spec.name().empty())
      shared_.emplace(spec.name(), Sharing{index, spec.has_lr_mult(), spec.has_decay_mult(),
                                           layer.places.at(spec_path(blob, "name"))});
  }
}

std::vector<float> initial_values(const ParamInfo& param, uint64_t seed) {
  if (!param.initial.empty()) return param.initial;
  std::vector<float> values(static_cast<size_t>(param.shape.count()));
  layers::fill(param.filler, param.shape, RandomStream(seed, "fill/" + param.name), values);
  return values;
}

}  // namespace crema::graph
