// The passes resolve and infer: names -> SSA values, layers -> shapes, blobs and ops.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "graph/contexts.hpp"
#include "graph/passes.hpp"
#include "layers/absent.hpp"

namespace crema::graph {

namespace {

constexpr const char* kAutomatic = "(automatic)";

// What is known of a blob name while the layers are walked.
struct Blob {
  int value = kNone;  // kNone: its layer is in error, say nothing more about it
  bool consumed = false;
  int layer = kNone;  // last producer
  int order = 0;      // position in Graph::blobs
};

class Builder {
 public:
  Builder(const config::NetConfig& net, const BuildOptions& options)
      : net_(net), options_(options), params_(graph_, options) {
    graph_.name = net.header.name();
    graph_.file = net.file;
    graph_.state = net.header.state();
  }

  Graph run() {
    for (const config::LayerConfig& layer : net_.layers)
      diagnostics_.guard([&] { add_layer(layer); });
    diagnostics_.throw_if_any();
    finish_outputs();
    plan_backward(graph_, options_, net_.header.force_backward(), diagnostics_);
    diagnostics_.throw_if_any();
    if (options_.backward)
      differentiate(graph_, options_);
    else
      graph_.forward_nodes = static_cast<int>(graph_.nodes.size());
    for (ValueInfo& value : graph_.values)
      CREMA_CHECK(value.shape.count() >= 0, "negative element count");
    for (const CarriedInfo& state : graph_.carried)
      CREMA_CHECK(state.next != kNone &&
                      graph_.values[state.next].shape == graph_.values[state.value].shape,
                  "nothing of the right shape is carried on as " + state.name);
    return std::move(graph_);
  }

 private:
  void add_layer(const config::LayerConfig& config) {
    LayerInfo info;
    info.param = config.param;
    info.places = config.places;
    info.name = config.param.name();
    info.type = config.param.type();
    info.bottoms.assign(config.param.bottom().begin(), config.param.bottom().end());
    info.tops.assign(config.param.top().begin(), config.param.top().end());
    bool ok = diagnostics_.guard([&] { resolve_bottoms(info); });
    std::optional<std::vector<Shape>> fed;
    std::unique_ptr<layers::Layer> layer;
    ok &= diagnostics_.guard([&] {
      if (options_.source_shapes) fed = options_.source_shapes(config);
      if (!fed) layer = find_type(info);
    });
    layers::Signature signature;
    if (layer) {
      signature = layer->signature(info.param);
      ok &= diagnostics_.guard([&] { check_counts(info, signature); });
    }
    // Whatever is wrong with it, its tops exist: the layers above are checked all the same.
    const int index = static_cast<int>(graph_.layers.size());
    std::vector<int> values(info.tops.size(), kNone);
    graph_.layers.push_back(std::move(info));
    if (ok) ok = diagnostics_.guard([&] { values = realise(index, layer.get(), fed); });
    LayerInfo& stored = graph_.layers.back();
    stored.top_values = values;
    diagnostics_.guard([&] { set_loss_weights(stored, signature); });
    diagnostics_.guard([&] { publish_tops(stored, index); });
    if (!ok) poisoned_ = true;
    if (poisoned_) return;
    add_losses(stored, signature);
  }

  void resolve_bottoms(LayerInfo& info) {
    for (size_t i = 0; i < info.bottoms.size(); ++i) {
      const auto it = blobs_.find(info.bottoms[i]);
      if (it == blobs_.end()) {
        std::vector<std::string> known;
        for (const auto& [name, blob] : blobs_) known.push_back(name);
        throw Error(ErrorCode::kConfig,
                    fmt::format("layer '{}': no layer above produces its bottom "
                                "blob '{}'",
                                info.name, info.bottoms[i]))
            .at(info.places.at(fmt::format("bottom[{}]", i)))
            .advise(known.empty()
                        ? "no blob is produced above this layer: layers are listed in the "
                          "order in which they run"
                        : suggestion(info.bottoms[i], known));
      }
      it->second.consumed = true;
      info.bottom_values.push_back(it->second.value);
    }
  }

  std::unique_ptr<layers::Layer> find_type(const LayerInfo& info) const {
    const auto& registry = Registry<layers::LayerTag>::instance();
    if (const auto* factory = registry.find(info.type)) return (*factory)();
    if (const layers::AbsentType* absent = layers::absent_type(info.type))
      throw Error(ErrorCode::kConfig,
                  fmt::format("layer '{}': type {} {}", info.name, info.type, absent->reason))
          .at(info.places.at("type"))
          .advise(absent->advice);
    std::vector<std::string> known = registry.names();
    known.insert(known.end(), options_.source_types.begin(), options_.source_types.end());
    throw Error(ErrorCode::kConfig,
                info.type.empty()
                    ? fmt::format("layer '{}' has no type", info.name)
                    : fmt::format("layer '{}': unknown layer type '{}'", info.name, info.type))
        .at(info.places.at("type"))
        .advise(suggestion(info.type, known, 100));
  }

  void check_counts(LayerInfo& info, const layers::Signature& s) const {
    const int bottoms = static_cast<int>(info.bottoms.size());
    const auto count = [&](int n, int low, int high, const char* what, const char* field) {
      if (n >= low && (high == layers::Signature::kAny || n <= high)) return;
      const std::string wanted = low == high ? fmt::format("{}", low)
                                 : high == layers::Signature::kAny
                                     ? fmt::format("at least {}", low)
                                     : fmt::format("{} to {}", low, high);
      throw Error(ErrorCode::kConfig,
                  fmt::format("layer '{}': {} takes {} {} blob{}, {} given", info.name, info.type,
                              wanted, what, wanted == "1" ? "" : "s", n))
          .at(info.places.at(n > high && high >= 0 ? fmt::format("{}[{}]", field, high) : ""));
    };
    count(bottoms, s.min_bottoms, s.max_bottoms, "bottom", "bottom");
    // A loss may leave its tops out: they are made up, and cannot be referred to.
    const int wanted = s.same_tops_as_bottoms ? bottoms : s.min_tops;
    if (s.loss)
      while (static_cast<int>(info.tops.size()) < wanted) info.tops.push_back(kAutomatic);
    count(static_cast<int>(info.tops.size()), wanted, s.same_tops_as_bottoms ? bottoms : s.max_tops,
          "top", "top");
    for (size_t i = 0; i < std::min(info.tops.size(), info.bottoms.size()); ++i)
      if (info.tops[i] == info.bottoms[i] && !s.in_place)
        throw Error(ErrorCode::kConfig,
                    fmt::format("layer '{}': {} cannot work in place", info.name, info.type))
            .at(info.places.at(fmt::format("top[{}]", i)))
            .advise("give the top another name than the bottom");
    const int cuts = info.param.propagate_down_size();
    if (cuts != 0 && cuts != bottoms)
      throw Error(ErrorCode::kConfig,
                  fmt::format("layer '{}': propagate_down is given {} times for {} bottoms",
                              info.name, cuts, bottoms))
          .at(info.places.at("propagate_down"))
          .advise("write it once per bottom, or not at all");
  }

  // Shapes, blobs, ops. Returns the tops' values.
  std::vector<int> realise(int index, const layers::Layer* layer,
                           const std::optional<std::vector<Shape>>& fed) {
    LayerInfo& info = graph_.layers[static_cast<size_t>(index)];
    for (const int value : info.bottom_values)
      if (value == kNone) {  // the mistake is below, and was reported there
        poisoned_ = true;
        return std::vector<int>(info.tops.size(), kNone);
      }
    if (!layer) return feed(index, *fed);
    InferContext infer(graph_, index, info, options_);
    for (size_t i = 0; i < info.tops.size(); ++i)
      if (info.type == "Input")
        if (const auto it = options_.input_shapes.find(info.tops[i]);
            it != options_.input_shapes.end())
          override_input_shape(info, i, it->second);
    layer->infer(infer);
    for (int i = 0; i < infer.bottoms(); ++i) {
      info.bottom_ranges.push_back(layer->index_range(infer, i));
      info.bottom_moves.push_back(layer->moves(i));
    }
    graph_.notes.insert(graph_.notes.end(), infer.notes.begin(), infer.notes.end());
    graph_.cuts.insert(graph_.cuts.end(), infer.cuts.begin(), infer.cuts.end());
    for (const Shape& shape : infer.shapes) check_size(info, shape);
    const size_t mistakes = diagnostics_.errors().size();
    params_.add_layer(index, diagnostics_);
    if (diagnostics_.errors().size() > mistakes) {  // a blob may be shared with one that cannot fit
      poisoned_ = true;
      return std::vector<int>(info.tops.size(), kNone);
    }
    take_embedded_blobs(info);
    LowerContext lower(graph_, options_, index, infer.shapes, net_.header.force_backward());
    layer->lower(lower);
    for (size_t i = 0; i < lower.values.size(); ++i) {
      CREMA_CHECK(lower.values[i] != kNone, info.type + " did not set all of its tops");
      CREMA_CHECK(graph_.values[lower.values[i]].shape == infer.shapes[i],
                  info.type + ": infer and lower disagree on a top's shape");
    }
    return lower.values;
  }

  std::vector<int> feed(int index, std::vector<Shape> shapes) {
    const LayerInfo& info = graph_.layers[static_cast<size_t>(index)];
    CREMA_CHECK(shapes.size() == info.tops.size(), "a source must give a shape for each top");
    for (size_t i = 0; i < shapes.size(); ++i)
      if (const auto it = options_.input_shapes.find(info.tops[i]);
          it != options_.input_shapes.end())
        shapes[i] = it->second;
    LowerContext lower(graph_, options_, index, shapes, false);
    for (int i = 0; i < lower.tops(); ++i) lower.set_top(i, lower.input(i));
    return lower.values;
  }

  static void override_input_shape(LayerInfo& info, size_t top, const Shape& shape) {
    caffe::InputParameter& input = *info.param.mutable_input_param();
    if (input.shape_size() == 1)  // one shape for all tops
      while (input.shape_size() < static_cast<int>(info.tops.size()))
        input.add_shape()->CopyFrom(input.shape(0));
    while (input.shape_size() < static_cast<int>(info.tops.size())) input.add_shape();
    caffe::BlobShape& blob = *input.mutable_shape(static_cast<int>(top));
    blob.clear_dim();
    for (const int64_t d : shape.dims()) blob.add_dim(d);
  }

  void check_size(const LayerInfo& info, const Shape& shape) const {
    double count = 1;
    for (const int64_t d : shape.dims()) count *= static_cast<double>(d);
    if (count <= 2147483647.0 && shape.rank() <= 32) return;
    throw Error(ErrorCode::kConfig,
                fmt::format("layer '{}': a blob of shape {} is too large: at most 2147483647 "
                            "elements and 32 axes",
                            info.name, shape.text()))
        .at(info.places.at());
  }

  void take_embedded_blobs(LayerInfo& info) {
    for (int i = 0; i < info.param.blobs_size(); ++i) {
      const caffe::BlobProto& blob = info.param.blobs(i);
      const bool fits = i < static_cast<int>(info.params.size());
      const int64_t count =
          fits ? graph_.params[static_cast<size_t>(info.params[i])].shape.count() : 0;
      const int64_t given = std::max(blob.data_size(), blob.double_data_size());
      if (!fits || given != count)
        throw Error(ErrorCode::kConfig,
                    fits ? fmt::format("layer '{}': blobs[{}] holds {} numbers, the layer needs {}",
                                       info.name, i, given, count)
                         : fmt::format("layer '{}': more blobs than the layer has ({})", info.name,
                                       info.params.size()))
            .at(info.places.at(fmt::format("blobs[{}]", i)));
      std::vector<float>& initial = graph_.params[static_cast<size_t>(info.params[i])].initial;
      if (blob.double_data_size() > 0)
        initial.assign(blob.double_data().begin(), blob.double_data().end());
      else
        initial.assign(blob.data().begin(), blob.data().end());
    }
    info.param.clear_blobs();
  }

  void set_loss_weights(LayerInfo& info, const layers::Signature& signature) {
    const int given = info.param.loss_weight_size(), tops = static_cast<int>(info.tops.size());
    info.loss_weights.assign(info.tops.size(), 0.0f);
    if (given != 0 && given != tops)
      throw Error(ErrorCode::kConfig,
                  fmt::format("layer '{}': loss_weight is given {} times for {} "
                              "top{}",
                              info.name, given, tops, tops == 1 ? "" : "s"))
          .at(info.places.at("loss_weight"))
          .advise("write it once per top, or not at all");
    if (given == 0 && signature.loss && tops > 0) {
      info.loss_weights[0] = 1;
      info.param.add_loss_weight(1);
      defaulted_.insert(static_cast<int>(&info - graph_.layers.data()));
    }
    for (int i = 0; i < given; ++i) info.loss_weights[i] = info.param.loss_weight(i);
  }

  void publish_tops(const LayerInfo& info, int index) {
    for (size_t i = 0; i < info.tops.size(); ++i) {
      const std::string& name = info.tops[i];
      if (name == kAutomatic) continue;
      const bool in_place = i < info.bottoms.size() && info.bottoms[i] == name;
      const auto it = blobs_.find(name);
      if (it != blobs_.end() && !in_place) {
        const LayerInfo& first = graph_.layers[static_cast<size_t>(it->second.layer)];
        throw Error(ErrorCode::kConfig, fmt::format("two layers produce the blob '{}'", name))
            .at(info.places.at(fmt::format("top[{}]", i)))
            .note(fmt::format("layer '{}' produces it first", first.name), first.places.at("top"))
            .advise(
                "give one of them another name; only a layer that has it as its bottom at the "
                "same position may write it again (in place)");
      }
      if (it == blobs_.end()) {
        blobs_[name] = {info.top_values[i], false, index, static_cast<int>(graph_.blobs.size())};
        graph_.blobs.emplace_back(name, info.top_values[i]);
      } else {
        it->second.value = info.top_values[i];
        it->second.consumed = false;
        it->second.layer = index;
        graph_.blobs[static_cast<size_t>(it->second.order)].second = info.top_values[i];
      }
    }
  }

  void add_losses(const LayerInfo& info, const layers::Signature& signature) {
    const int index = static_cast<int>(&info - graph_.layers.data());
    for (size_t i = 0; i < info.tops.size(); ++i) {
      if (info.loss_weights[i] == 0) continue;
      graph_.losses.push_back({info.top_values[i], info.loss_weights[i]});
      if (signature.loss && i == 0 && !defaulted_.contains(index))
        weighted_losses_.push_back(index);
    }
  }

  void finish_outputs() {
    for (const auto& [name, blob] : blobs_) {
      const LayerInfo& producer = graph_.layers[static_cast<size_t>(blob.layer)];
      float weight = 0;
      for (size_t i = 0; i < producer.tops.size(); ++i)
        if (producer.tops[i] == name) weight = producer.loss_weights[i];
      const bool weighted = weight != 0 && !defaulted_.contains(blob.layer);
      if (!blob.consumed || weighted) graph_.outputs.push_back({name, blob.value, weight});
      // BVLC moves the weight of a loss that somebody else reads to a Split layer, gives the loss
      // layer its default weight again, and so counts it once more in the reported loss.
      if (blob.consumed && weighted &&
          std::find(weighted_losses_.begin(), weighted_losses_.end(), blob.layer) !=
              weighted_losses_.end() &&
          producer.top_values[0] == blob.value)
        graph_.losses.push_back({blob.value, 1.0f});
    }
  }

  const config::NetConfig& net_;
  const BuildOptions& options_;
  Graph graph_;
  ParamTable params_;
  Diagnostics diagnostics_;
  std::map<std::string, Blob> blobs_;
  std::set<int> defaulted_;  // layers whose loss_weight is the default
  std::vector<int> weighted_losses_;
  bool poisoned_ = false;
};

}  // namespace

Graph build(const config::NetConfig& net, const BuildOptions& options) {
  const config::NetConfig filtered = config::filter(net);
  return Builder(filtered, options).run();
}

}  // namespace crema::graph
