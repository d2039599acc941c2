#include "config/net.hpp"

#include <fmt/format.h>
#include <google/protobuf/text_format.h>

#include <algorithm>

#include "base/files.hpp"
#include "base/text.hpp"
#include "config/legacy.hpp"
#include "config/parse.hpp"

namespace crema::config {

namespace {

bool both_kinds_of_rules(const caffe::LayerParameter& layer) {
  return layer.include_size() > 0 && layer.exclude_size() > 0;
}

Error both_kinds_error(const LayerConfig& layer) {
  return Error(ErrorCode::kConfig,
               fmt::format("layer '{}' has both include and exclude rules", layer.param.name()))
      .at(layer.places.at("exclude"))
      .note("an include rule is here", layer.places.at("include"))
      .advise("keep one kind; a rule may state several conditions");
}

bool met(const caffe::NetStateRule& rule, const caffe::NetState& state) {
  const auto in_state = [&](const std::string& stage) {
    return std::find(state.stage().begin(), state.stage().end(), stage) != state.stage().end();
  };
  return (!rule.has_phase() || rule.phase() == state.phase()) &&
         (!rule.has_min_level() || state.level() >= rule.min_level()) &&
         (!rule.has_max_level() || state.level() <= rule.max_level()) &&
         std::all_of(rule.stage().begin(), rule.stage().end(), in_state) &&
         std::none_of(rule.not_stage().begin(), rule.not_stage().end(), in_state);
}

void check_admitted(const LayerConfig& layer, Diagnostics& diagnostics) {
  const caffe::LayerParameter& param = layer.param;
  if (param.type().empty())
    diagnostics
        .add(Error(ErrorCode::kConfig, fmt::format("layer '{}' has no type", param.name()))
                 .at(layer.places.at("type")))
        .advise("add type: \"...\"");
  const int given = param.propagate_down_size();
  if (given != 0 && given != param.bottom_size())
    diagnostics
        .add(
            Error(ErrorCode::kConfig, fmt::format("layer '{}' has {} propagate_down for {} bottoms",
                                                  param.name(), given, param.bottom_size()))
                .at(layer.places.at("propagate_down")))
        .advise("give one per bottom, or none");
}

// Data layers of the present form do not read what older ones had beside their source.
void note_unread(const LayerConfig& layer, std::vector<Note>& notes) {
  const caffe::LayerParameter& param = layer.param;
  const auto look = [&](const google::protobuf::Message& block, const std::string& name,
                        std::initializer_list<const char*> fields) {
    for (const char* field : fields) {
      const auto* known = block.GetDescriptor()->FindFieldByName(field);
      if (!block.GetReflection()->HasField(block, known)) continue;
      const bool moved =
          caffe::TransformationParameter::descriptor()->FindFieldByName(field) != nullptr;
      notes.push_back({fmt::format("layer '{}': {} has no effect in {}{}", param.name(), field,
                                   name, moved ? "; write it in transform_param" : ""),
                       layer.places.at(name + "." + field)});
    }
  };
  if (param.type() == "Data")
    look(param.data_param(), "data_param",
         {"scale", "mean_file", "crop_size", "mirror", "rand_skip", "force_encoded_color"});
  if (param.type() == "ImageData")
    look(param.image_data_param(), "image_data_param",
         {"scale", "mean_file", "crop_size", "mirror"});
}

}  // namespace

void add_once(Diagnostics& diagnostics, const Error& error) {
  const bool known = std::any_of(
      diagnostics.errors().begin(), diagnostics.errors().end(), [&](const Error& other) {
        return other.message == error.message && other.location.text() == error.location.text();
      });
  if (!known) diagnostics.add(error);
}

NetConfig make_net(std::string file, caffe::NetParameter param, Places::Index index,
                   Diagnostics& diagnostics) {
  LegacyUpgrade upgraded = upgrade_legacy(param);
  NetConfig net;
  net.file = std::move(file);
  for (const LegacyRemark& remark : upgraded.errors)
    diagnostics.add(Error(ErrorCode::kConfig, remark.message).at(index.find(remark.path)));
  for (const LegacyRemark& remark : upgraded.notes)
    net.notes.push_back({remark.message, index.find(remark.path)});
  index.steps = std::move(upgraded.steps);
  net.places = Places(std::make_shared<const Places::Index>(std::move(index)));
  for (int i = 0; i < param.layer_size(); ++i) {
    LayerConfig& layer = net.layers.emplace_back();
    layer.param.Swap(param.mutable_layer(i));
    layer.places = net.places.inside(element_path("layer", i));
    if (both_kinds_of_rules(layer.param)) diagnostics.add(both_kinds_error(layer));
  }
  param.clear_layer();
  net.header = std::move(param);
  return net;
}

caffe::NetParameter whole_net(const NetConfig& net) {
  caffe::NetParameter out = net.header;
  for (const LayerConfig& layer : net.layers) *out.add_layer() = layer.param;
  return out;
}

std::string counted(int count, const std::string& noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string print_text(const google::protobuf::Message& message) {
  google::protobuf::TextFormat::Printer printer;
  printer.SetUseUtf8StringEscaping(true);
  std::string out;
  printer.PrintToString(message, &out);
  return out;
}

std::vector<Note> unread_settings(const NetConfig& net) {
  std::vector<Note> notes;
  for (const LayerConfig& layer : net.layers) note_unread(layer, notes);
  return notes;
}

NetConfig parse_net(std::string name, std::string text) {
  const auto source = std::make_shared<const SourceText>(SourceText{name, text});
  Diagnostics diagnostics;
  caffe::NetParameter param;
  const Parsed parsed = parse_text(source, std::move(text), param);
  for (const Error& mistake : parsed.mistakes) diagnostics.add(mistake);
  diagnostics.throw_if_any();
  if (parsed.outline.fields.empty())
    throw Error(ErrorCode::kConfig, "the net definition is empty")
        .at(parsed.outline.file())
        .advise("a net has at least one layer { ... }");
  Places::Index index;
  index.root = parsed.outline.file();
  index_fields(parsed.outline, parsed.outline.fields, param.GetDescriptor(), {}, index);
  NetConfig net = make_net(std::move(name), std::move(param), std::move(index), diagnostics);
  diagnostics.throw_if_any();
  return net;
}

NetConfig read_net(const std::string& path) {
  return parse_net(path, read_file(path, ErrorCode::kConfig));
}

NetConfig with_state(NetConfig net, caffe::Phase phase, int level,
                     const std::vector<std::string>& stages) {
  caffe::NetState& state = *net.header.mutable_state();
  state.set_phase(phase);
  state.set_level(level);
  for (const std::string& stage : stages) state.add_stage(stage);
  return net;
}

bool included(const LayerConfig& layer, const caffe::NetState& state) {
  if (both_kinds_of_rules(layer.param)) throw both_kinds_error(layer);
  const auto is_met = [&](const caffe::NetStateRule& rule) { return met(rule, state); };
  const auto& include = layer.param.include();
  const auto& exclude = layer.param.exclude();
  if (!include.empty()) return std::any_of(include.begin(), include.end(), is_met);
  return std::none_of(exclude.begin(), exclude.end(), is_met);
}

NetConfig filter(const NetConfig& net) {
  Diagnostics diagnostics;
  NetConfig out;
  out.file = net.file;
  out.header = net.header;
  out.places = net.places;
  out.notes = net.notes;
  for (const LayerConfig& layer : net.layers) {
    bool admitted = false;
    if (!diagnostics.guard([&] { admitted = included(layer, net.header.state()); }) || !admitted)
      continue;
    check_admitted(layer, diagnostics);
    out.layers.push_back(layer);
    if (!layer.param.has_phase()) out.layers.back().param.set_phase(net.header.state().phase());
  }
  diagnostics.throw_if_any();
  return out;
}

std::vector<std::string> upgrade(caffe::NetParameter& net) {
  const LegacyUpgrade upgraded = upgrade_legacy(net);
  if (!upgraded.errors.empty())
    throw Error(ErrorCode::kConfig, fmt::format("{} ({})", upgraded.errors.front().message,
                                                upgraded.errors.front().path));
  std::vector<std::string> notes;
  for (const LegacyRemark& remark : upgraded.notes)
    notes.push_back(fmt::format("{}: {}", remark.path, remark.message));
  return notes;
}

std::string to_text(const NetConfig& net) {
  return print_text(whole_net(net));
}

}  // namespace crema::config
