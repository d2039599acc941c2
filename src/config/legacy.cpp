#include "config/legacy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/text.hpp"
#include "config/legacy_tables.hpp"
#include "config/reflect.hpp"

namespace crema::config {

namespace pb = google::protobuf;
using caffe::V1LayerParameter;
using namespace legacy;

namespace {

std::vector<const pb::FieldDescriptor*> fields_set(const pb::Message& message) {
  std::vector<const pb::FieldDescriptor*> out;
  message.GetReflection()->ListFields(message, &out);
  return out;
}

class Upgrader {
 public:
  explicit Upgrader(caffe::NetParameter& net) : net_(net) {}

  LegacyUpgrade run() {
    if (net_.layer_size() > 0 && net_.layers_size() > 0) {
      fail("layers", "a net has either 'layer' or the older 'layers' blocks, not both");
      return std::move(result_);
    }
    const bool v0 = std::any_of(net_.layers().begin(), net_.layers().end(),
                                [](const V1LayerParameter& layer) { return layer.has_layer(); });
    if (v0) {
      drop_net_fields();
      fold_padding();
      if (result_.errors.empty()) from_v0();
    }
    if (!result_.errors.empty()) return std::move(result_);
    if (net_.layers_size() > 0) {
      move_transformations();
      from_v1();
    }
    if (net_.input_size() > 0) legacy_inputs();
    freeze_batch_norm();
    return std::move(result_);
  }

 private:
  using Connections = pb::RepeatedPtrField<V1LayerParameter>;

  void fail(const std::string& path, std::string message) {
    result_.errors.push_back({original_path(path, result_.steps), std::move(message)});
  }
  void note(const std::string& path, std::string message) {
    result_.notes.push_back({original_path(path, result_.steps), std::move(message)});
  }
  Renaming& new_step() { return result_.steps.emplace_back(); }

  // BVLC carries only name, input, input_dim and force_backward over from a V0 net.
  void drop_net_fields() {
    for (const char* field : {"state", "debug_info", "input_shape"}) {
      const pb::FieldDescriptor* known = caffe::NetParameter::descriptor()->FindFieldByName(field);
      if (count_values(net_, known) == 0) continue;
      note(field, fmt::format("'{}' has no effect in a net with V0 layers", field));
      net_.GetReflection()->ClearField(&net_, known);
    }
  }

  // Removes the padding layers; the convolution or pooling behind each takes over its pad.
  void fold_padding() {
    Renaming step;
    std::map<std::string, int> producer;  // blob -> index in `old`, -1 = input of the net
    for (const std::string& input : net_.input()) producer[input] = -1;
    Connections old;
    old.Swap(net_.mutable_layers());
    for (int i = 0; i < old.size(); ++i) {
      V1LayerParameter layer = old.Get(i);
      const std::string after = element_path("layers", net_.layers_size());
      const std::string before = element_path("layers", i);
      for (int b = 0; b < layer.bottom_size(); ++b) {
        const auto it = producer.find(layer.bottom(b));
        if (it == producer.end()) {
          fail(element_path(before + ".bottom", b),
               fmt::format("bottom '{}' is not the top of any earlier layer", layer.bottom(b)));
        } else if (it->second >= 0 && old.Get(it->second).layer().type() == "padding") {
          if (!take_padding(layer, old.Get(it->second), before)) continue;
          step[after + ".layer.pad"] = element_path("layers", it->second) + ".layer.pad";
        }
      }
      for (const std::string& top : layer.top()) producer[top] = i;
      if (layer.layer().type() == "padding") continue;
      if (after != before) step[after] = before;
      net_.add_layers()->Swap(&layer);
    }
    result_.steps.push_back(std::move(step));
  }

  bool take_padding(V1LayerParameter& layer, const V1LayerParameter& padding,
                    const std::string& path) {
    const std::string& type = layer.layer().type();
    if (type != "conv" && type != "pool")
      fail(path, fmt::format("a padding layer may only feed a conv or pool layer, not '{}'", type));
    else if (layer.bottom_size() != 1 || padding.bottom_size() != 1 || padding.top_size() != 1)
      fail(path, "a padding layer and the layer it feeds must have one bottom each");
    else {
      layer.mutable_layer()->set_pad(padding.layer().pad());
      layer.set_bottom(0, padding.bottom(0));
      return true;
    }
    return false;
  }

  void from_v0() {
    Renaming step;
    for (int i = 0; i < net_.layers_size(); ++i) {
      V1LayerParameter& old = *net_.mutable_layers(i);
      if (!old.has_layer()) continue;
      V1LayerParameter fresh;
      *fresh.mutable_bottom() = old.bottom();
      *fresh.mutable_top() = old.top();
      v0_layer(old.layer(), fresh, element_path("layers", i), step);
      old.Swap(&fresh);
    }
    result_.steps.push_back(std::move(step));
  }

  void v0_layer(const caffe::V0LayerParameter& v0, V1LayerParameter& v1, const std::string& path,
                Renaming& step) {
    for (const pb::FieldDescriptor* field : fields_set(v0)) {
      const std::string old_path = path + ".layer." + field->name();
      if (field->name() == "type") {
        v0_type(v0.type(), v1, old_path);
        step[path + ".type"] = old_path;
        continue;
      }
      const V0Move* move = v0_move(field->name(), v0.type());
      if (!move) {
        note(old_path, fmt::format("'{}' has no meaning for a V0 layer of type '{}'; left out",
                                   field->name(), v0.type()));
        continue;
      }
      const Slot target = slot(v1, move->target);
      copy_field(v0, field, *target.message, target.field);
      // A list goes element by element: "blobs_lr[1]" is a name of its own.
      for (int k = 0; k < count_values(v0, field); ++k)
        step[element_path(path + "." + move->target, k)] = element_path(old_path, k);
    }
  }

  static const V0Move* v0_move(const std::string& field, const std::string& type) {
    for (const V0Move& move : kV0Moves)
      if (field == move.field && (move.type[0] == '\0' || type == move.type)) return &move;
    return nullptr;
  }

  void v0_type(const std::string& type, V1LayerParameter& v1, const std::string& path) {
    std::vector<std::string> known;
    for (const LayerTypeNames& names : kLayerTypes) {
      if (names.v0[0] == '\0') continue;
      if (type == names.v0) return v1.set_type(names.v1);
      known.push_back(names.v0);
    }
    fail(path, fmt::format("unknown V0 layer type '{}'; {}", type, suggestion(type, known, 40)));
  }

  void move_transformations() {
    Renaming step;
    for (int i = 0; i < net_.layers_size(); ++i) {
      V1LayerParameter& layer = *net_.mutable_layers(i);
      for (const auto& [type, block] : kDataBlocks)
        if (layer.type() == type)
          move_transformation(layer, block, element_path("layers", i), step);
    }
    result_.steps.push_back(std::move(step));
  }

  static void move_transformation(V1LayerParameter& layer, const std::string& block,
                                  const std::string& path, Renaming& step) {
    const pb::FieldDescriptor* own = V1LayerParameter::descriptor()->FindFieldByName(block);
    if (!layer.GetReflection()->HasField(layer, own)) return;
    for (const char* field : kTransformFields) {
      const Slot from = slot(layer, block + "." + field);
      if (count_values(*from.message, from.field) == 0) continue;
      const std::string moved = fmt::format("transform_param.{}", field);
      const Slot to = slot(layer, moved);
      copy_field(*from.message, from.field, *to.message, to.field);
      from.message->GetReflection()->ClearField(from.message, from.field);
      step[path + "." + moved] = fmt::format("{}.{}.{}", path, block, field);
    }
  }

  void from_v1() {
    Renaming step;
    for (int i = 0; i < net_.layers_size(); ++i) {
      const std::string after = element_path("layer", i), before = element_path("layers", i);
      step[after] = before;
      v1_layer(net_.layers(i), *net_.add_layer(), after, before, step);
    }
    net_.clear_layers();
    result_.steps.push_back(std::move(step));
  }

  void v1_layer(const V1LayerParameter& v1, caffe::LayerParameter& layer, const std::string& after,
                const std::string& before, Renaming& step) {
    for (const LayerTypeNames& names : kLayerTypes)
      if (v1.has_type() && v1.type() == names.v1) layer.set_type(names.type);
    for (const auto& [list, member] : kParamLists) {
      const pb::FieldDescriptor* from = V1LayerParameter::descriptor()->FindFieldByName(list);
      const pb::FieldDescriptor* to = caffe::ParamSpec::descriptor()->FindFieldByName(member);
      for (int k = 0; k < count_values(v1, from); ++k) {
        while (layer.param_size() <= k) layer.add_param();
        copy_value(v1, from, k, *layer.mutable_param(k), to);
        step[element_path(after + ".param", k) + "." + member] =
            element_path(before + "." + list, k);
      }
    }
    // Everything else has the same name and type in both formats.
    for (const pb::FieldDescriptor* field : fields_set(v1)) {
      const auto moved = [&](const auto& entry) { return field->name() == entry.first; };
      if (field->name() == "type" || field->name() == "layer" ||
          std::any_of(std::begin(kParamLists), std::end(kParamLists), moved))
        continue;
      copy_field(v1, field, layer, layer.GetDescriptor()->FindFieldByName(field->name()));
    }
  }

  // The old `input` fields become a first layer of type Input. Names without sizes, as in old
  // weights files, are dropped.
  void legacy_inputs() {
    const int inputs = net_.input_size(), shapes = net_.input_shape_size(),
              dims = net_.input_dim_size();
    if (shapes > 0 ? shapes < inputs : dims > 0 && dims < 4 * inputs)
      return fail(
          shapes > 0 ? "input_shape" : "input_dim",
          shapes > 0
              ? fmt::format("{} inputs need as many input_shape blocks, not {}", inputs, shapes)
              : fmt::format("{} inputs need 4 input_dim values each, not {} in all", inputs, dims));
    if (shapes > 0 || dims > 0) insert_input_layer(shapes > 0);
    net_.clear_input();
    net_.clear_input_shape();
    net_.clear_input_dim();
  }

  void insert_input_layer(bool shapes) {
    Renaming& step = new_step();
    net_.add_layer();
    for (int i = net_.layer_size() - 1; i > 0; --i) {
      net_.mutable_layer()->SwapElements(i - 1, i);
      step[element_path("layer", i)] = element_path("layer", i - 1);
    }
    caffe::LayerParameter& layer = *net_.mutable_layer(0);
    layer.set_name("input");
    layer.set_type("Input");
    step["layer"] = "input";
    for (int i = 0; i < net_.input_size(); ++i) {
      layer.add_top(net_.input(i));
      step[element_path("layer.top", i)] = element_path("input", i);
      caffe::BlobShape& shape = *layer.mutable_input_param()->add_shape();
      const std::string path = element_path("layer.input_param.shape", i);
      step[path] = shapes ? element_path("input_shape", i) : element_path("input_dim", 4 * i);
      if (shapes) shape = net_.input_shape(i);
      for (int k = 0; !shapes && k < 4; ++k) {
        shape.add_dim(net_.input_dim(4 * i + k));
        step[element_path(path + ".dim", k)] = element_path("input_dim", 4 * i + k);
      }
    }
  }

  // The statistics of a BatchNorm layer must not be trained, whatever an old file says.
  void freeze_batch_norm() {
    for (caffe::LayerParameter& layer : *net_.mutable_layer()) {
      if (layer.type() != "BatchNorm" || layer.param_size() != 3) continue;
      for (caffe::ParamSpec& param : *layer.mutable_param()) {
        param.set_lr_mult(0);
        param.set_decay_mult(0);
      }
    }
  }

  caffe::NetParameter& net_;
  LegacyUpgrade result_;
};

const char* const kTypeOfSolverType[] = {"SGD",     "Nesterov", "AdaGrad",
                                         "RMSProp", "AdaDelta", "Adam"};

}  // namespace

LegacyUpgrade upgrade_legacy(caffe::NetParameter& net) {
  return Upgrader(net).run();
}

void upgrade_solver_type(caffe::SolverParameter& solver, Places::Index& index,
                         Diagnostics& diagnostics) {
  if (!solver.has_solver_type()) return;
  if (solver.has_type()) {
    diagnostics
        .add(Error(ErrorCode::kConfig, "both type and the older solver_type are given")
                 .at(index.find("solver_type")))
        .note("type is here", index.find("type"))
        .advise("keep type");
    return;
  }
  solver.set_type(kTypeOfSolverType[solver.solver_type()]);
  solver.clear_solver_type();
  index.entries["type"] = index.find("solver_type");
  index.erase("solver_type");
}

}  // namespace crema::config
