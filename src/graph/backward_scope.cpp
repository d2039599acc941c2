// The `backward_scope` pass: which layers and bottoms take part in the backward pass.
#include <fmt/format.h>

#include <algorithm>

#include "graph/passes.hpp"

namespace crema::graph {

namespace {

bool contains(const std::vector<int>& list, size_t i) {
  return std::find(list.begin(), list.end(), static_cast<int>(i)) != list.end();
}

// Caffe plans on a net with Split layers, so what it knows of a blob, it knows of each of its uses.
// Here a value is "skipped" if every use of it is.
class BackwardScope {
 public:
  // `whole`: as if nothing were frozen.
  BackwardScope(Graph& graph, const BuildOptions& options, bool whole)
      : graph_(graph), options_(options), whole_(whole) {
    needs_.resize(graph.values.size(), false);
    depends_.resize(graph.values.size(), false);
    for (const InputInfo& input : graph.inputs)
      if (options.wanted_inputs.contains(input.name)) needs_[input.value] = true;
    for (const std::string& blob : options.seeded_blobs) {
      const int value = graph.find_blob(blob);
      if (value != kNone) under_loss_.insert(value);
    }
  }

  // A layer needs backward if a parameter of it learns, or something below it does.
  void forward_sweep() {
    for (LayerInfo& layer : graph_.layers) {
      const layers::Signature rules = signature(layer);
      std::string learner;
      bool frozen = false;
      layer.param_backward.clear();
      layer.bottom_backward.clear();
      for (size_t i = 0; i < layer.params.size(); ++i) {
        const ParamInfo& param = graph_.params[static_cast<size_t>(layer.params[i])];
        const bool learns = !param.state && param.choice.learns && !left_out(layer, param);
        frozen |= param.choice.frozen;
        layer.param_backward.push_back(learns);
        if (learns && learner.empty()) learner = layer.decls[i].name;
      }
      std::string below, stopped;
      for (size_t i = 0; i < layer.bottoms.size(); ++i) {
        const bool cut = contains(rules.cut_bottoms, i);
        const bool flag = needs_[layer.bottom_values[i]] && !cut;
        if (flag && below.empty()) below = layer.bottoms[i];
        if (cut && needs_[layer.bottom_values[i]]) stopped = layer.bottoms[i];
        const int forced = static_cast<int>(i);
        layer.bottom_backward.push_back(forced < layer.param.propagate_down_size()
                                            ? layer.param.propagate_down(forced) && !cut
                                            : flag);
      }
      layer.backward = !learner.empty() || !below.empty();
      layer.backward_reason =
          !learner.empty()   ? fmt::format("{} learns", learner)
          : !below.empty()   ? fmt::format("'{}' depends on parameters that learn", below)
          : !stopped.empty() ? fmt::format("it stops the gradient to '{}'", stopped)
          : frozen           ? "frozen, and nothing below it learns"
                             : "nothing in it or below it learns";
      bool depends = layer.backward;
      for (const int value : layer.bottom_values) depends |= depends_[value];
      for (size_t i = 0; i < layer.top_values.size(); ++i) {
        if (layer.backward && !contains(rules.cut_tops, i)) needs_[layer.top_values[i]] = true;
        if (depends) depends_[layer.top_values[i]] = true;
      }
    }
  }

  // ... and if what it produces reaches a loss by a path that nobody cut.
  void reverse_sweep() {
    std::map<int, int> uses, skipped;
    std::map<int, std::string> cut;  // what keeps the gradient from a skipped value
    for (const LayerInfo& layer : graph_.layers)
      for (const int value : layer.bottom_values) ++uses[value];
    for (auto it = graph_.layers.rbegin(); it != graph_.layers.rend(); ++it) {
      LayerInfo& layer = *it;
      const layers::Signature rules = signature(layer);
      bool contributes = false, all_skipped = true;
      for (size_t i = 0; i < layer.top_values.size(); ++i) {
        if (contains(rules.cut_tops, i)) continue;
        const int value = layer.top_values[i];
        const bool loss = layer.loss_weights[i] != 0;
        contributes |= loss || under_loss_.contains(value);
        all_skipped &= !loss && uses[value] > 0 && skipped[value] == uses[value];
      }
      std::string above;
      for (const int value : layer.top_values) above = cut[value];
      const bool cut_off = layer.backward && all_skipped;
      if (cut_off)
        stop(layer,
             layer.top_values.empty() ? "it has no top" : above + " cuts off everything above it");
      if (!contributes) stop(layer, "nothing above it leads to a loss");
      for (size_t i = 0; i < layer.bottom_values.size(); ++i) {
        if (contributes) under_loss_.insert(layer.bottom_values[i]);
        if (layer.bottom_backward[i]) continue;
        ++skipped[layer.bottom_values[i]];
        cut[layer.bottom_values[i]] = cut_off ? above
                                      : contains(rules.cut_bottoms, i)
                                          ? fmt::format("layer '{}'", layer.name)
                                          : "propagate_down";
      }
    }
  }

  // force_backward: everything that may have a gradient gets one.
  void force() {
    for (LayerInfo& layer : graph_.layers) {
      const layers::Signature rules = signature(layer);
      layer.backward = true;
      layer.backward_reason = "force_backward";
      for (size_t i = 0; i < layer.bottom_backward.size(); ++i)
        if ((!contains(rules.no_gradient, i) || contains(rules.forced, i)) &&
            !contains(rules.cut_bottoms, i))
          layer.bottom_backward[i] = true;
      for (size_t i = 0; i < layer.params.size(); ++i)
        layer.param_backward[i] =
            !layer.decls[i].state &&
            !left_out(layer, graph_.params[static_cast<size_t>(layer.params[i])]);
    }
    forced_ = true;
  }

  void refuse_impossible(Diagnostics& diagnostics) const {
    for (const LayerInfo& layer : graph_.layers) {
      if (!layer.backward) continue;
      const layers::Signature rules = signature(layer);
      for (size_t i = 0; i < layer.bottoms.size(); ++i) {
        if (!layer.bottom_backward[i]) continue;
        if (rules.differentiable && !contains(rules.no_gradient, i)) continue;
        const auto [reason, advice] = why_wanted(layer, i);
        diagnostics
            .add(Error(ErrorCode::kConfig,
                       fmt::format("layer '{}' of type {} has no gradient with respect to its "
                                   "bottom '{}', but {}",
                                   layer.name, layer.type, layer.bottoms[i], reason)))
            .at(layer.places.at(fmt::format("bottom[{}]", i)))
            .advise(advice);
      }
    }
  }

  // Where a gradient ends though parameters below would learn from it.
  void note_cuts() {
    for (const LayerInfo& layer : graph_.layers) {
      if (!layer.backward) continue;
      for (const int i : signature(layer).cut_bottoms) {
        const size_t at = static_cast<size_t>(i);
        if (at >= layer.bottoms.size() || !depends_[layer.bottom_values[at]]) continue;
        graph_.notes.push_back(
            fmt::format("{}: no gradient flows from layer '{}' ({}) into its bottom '{}', as in "
                        "Caffe: what is below learns nothing through it",
                        layer.places.at(fmt::format("bottom[{}]", i)).text(), layer.name,
                        layer.type, layer.bottoms[at]));
      }
    }
  }

 private:
  // Frozen, so that no gradient is needed. One that is frozen for good in a layer that is not all
  // frozen is left out in any case: the gradients of its other blobs have kernels of their own.
  bool left_out(const LayerInfo& layer, const ParamInfo& param) const {
    if (!param.choice.frozen || !whole_) return param.choice.frozen;
    return param.choice.frozen_for_good &&
           std::any_of(layer.params.begin(), layer.params.end(), [&](int other) {
             return !graph_.params[static_cast<size_t>(other)].choice.frozen_for_good;
           });
  }

  // Why a gradient is wanted that the layer does not have, and what to do about it.
  std::pair<const char*, const char*> why_wanted(const LayerInfo& layer, size_t bottom) const {
    if (needs_[layer.bottom_values[bottom]])
      return {"parameters below it learn",
              "write propagate_down: false for this bottom (one value per bottom), or set "
              "lr_mult: 0 below it"};
    if (forced_)
      return {"force_backward: true asks for it",
              "remove force_backward; propagate_down: true asks for single gradients"};
    return {"propagate_down: true asks for it",
            "write propagate_down: false for this bottom (one value per bottom)"};
  }

  void stop(LayerInfo& layer, const std::string& reason) const {
    if (layer.backward) layer.backward_reason = reason;
    layer.backward = false;
    std::fill(layer.bottom_backward.begin(), layer.bottom_backward.end(), false);
  }

  static layers::Signature signature(const LayerInfo& layer) {
    const auto* entry = Registry<layers::LayerTag>::instance().find(layer.type);
    return entry ? (*entry)()->signature(layer.param) : layers::Signature{};
  }

  Graph& graph_;
  const BuildOptions& options_;
  bool whole_;
  std::vector<bool> needs_;    // by value: a gradient of it would teach something
  std::vector<bool> depends_;  // ... or would if no cut were in its way
  std::set<int> under_loss_;
  bool forced_ = false;
};

}  // namespace

void plan_backward(Graph& graph, const BuildOptions& options, bool force_backward,
                   Diagnostics& diagnostics) {
  const auto sweep = [&](bool whole) {
    BackwardScope scope(graph, options, whole);
    scope.forward_sweep();
    scope.reverse_sweep();
    if (force_backward) scope.force();
    return scope;
  };
  sweep(true);
  for (LayerInfo& layer : graph.layers) layer.trainable = layer.backward;
  BackwardScope scope = sweep(options.whole_backward);
  if (options.backward) {
    scope.refuse_impossible(diagnostics);
    scope.note_cuts();
  }
  for (LayerInfo& layer : graph.layers)
    if (!layer.backward) std::fill(layer.param_backward.begin(), layer.param_backward.end(), false);
}

}  // namespace crema::graph
