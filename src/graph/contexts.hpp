// What a layer sees while it is built: its shapes (Inference), then its values (Lowering). Private
// to this room.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "graph/passes.hpp"
#include "layers/filler.hpp"
#include "ops/shape_ops.hpp"

namespace crema::graph {

class InferContext final : public layers::Inference {
 public:
  InferContext(const Graph& graph, int layer, LayerInfo& info, const BuildOptions& options)
      : graph_(graph), index_(layer), layer_(info), options_(options) {
    shapes.resize(info.tops.size());
  }
  const caffe::LayerParameter& param() const override { return layer_.param; }
  caffe::Phase phase() const override { return layer_.param.phase(); }
  int bottoms() const override { return static_cast<int>(layer_.bottoms.size()); }
  const Shape& bottom(int i) const override {
    return graph_.values[layer_.bottom_values[static_cast<size_t>(i)]].shape;
  }
  int tops() const override { return static_cast<int>(layer_.tops.size()); }
  void set_top(int i, Shape shape) override { shapes[static_cast<size_t>(i)] = std::move(shape); }
  void add_param(layers::ParamDecl decl) override {
    const std::string wrong = layers::check_filler(decl.filler, decl.shape);
    if (!wrong.empty()) fail("", fmt::format("filler of blob '{}': {}", decl.name, wrong), {});
    layer_.decls.push_back(std::move(decl));
  }
  [[noreturn]] void fail(std::string_view field, std::string message,
                         std::string hint) const override {
    throw Error(ErrorCode::kConfig,
                fmt::format("layer '{}' ({}): {}", layer_.name, layer_.type, message))
        .at(layer_.places.at(field))
        .advise(std::move(hint));
  }

  int64_t count_nonzero(int i) override {
    const int selector = layer_.bottom_values[static_cast<size_t>(i)];
    for (const std::vector<CutInfo>* known : {&graph_.cuts, &std::as_const(cuts)})
      for (const CutInfo& cut : *known)
        if (cut.selector == selector) return cut.rows;
    const size_t index = graph_.cuts.size() + cuts.size();
    const int64_t rows = index < options_.rows.size() ? options_.rows[index] : bottom(i).count();
    cuts.push_back({index_, selector, rows});
    return rows;
  }
  void note(std::string_view field, std::string message) override {
    notes.push_back(fmt::format("{}: layer '{}' ({}): {}", layer_.places.at(field).text(),
                                layer_.name, layer_.type, message));
  }

  std::vector<Shape> shapes;
  std::vector<std::string> notes;
  std::vector<CutInfo> cuts;  // that the layer makes

 private:
  const Graph& graph_;
  int index_;
  LayerInfo& layer_;
  const BuildOptions& options_;
};

class LowerContext final : public layers::Lowering {
 public:
  LowerContext(Graph& graph, const BuildOptions& options, int layer, std::vector<Shape> top_shapes,
               bool force_backward)
      : graph_(graph), options_(options), layer_(layer), top_shapes_(std::move(top_shapes)) {
    bottoms_ = info().bottom_values;
    if (!force_backward) separate_unequal_uses();
    values.resize(info().tops.size(), kNone);
  }
  const caffe::LayerParameter& param() const override { return info().param; }
  caffe::Phase phase() const override { return info().param.phase(); }
  int bottoms() const override { return static_cast<int>(bottoms_.size()); }
  int tops() const override { return static_cast<int>(values.size()); }
  layers::Value bottom(int i) const override { return {bottoms_[static_cast<size_t>(i)]}; }
  layers::Value blob(int i) const override {
    return {graph_.params[static_cast<size_t>(info().params[static_cast<size_t>(i)])].value};
  }
  bool fixed_statistics() const override {
    return std::any_of(info().params.begin(), info().params.end(), [&](int p) {
      const ParamInfo& param = graph_.params[static_cast<size_t>(p)];
      return param.state && param.choice.frozen && !param.choice.live_statistics;
    });
  }
  const Shape& shape(layers::Value value) const override { return graph_.values[value.id].shape; }
  const Shape& top_shape(int i) const override { return top_shapes_[static_cast<size_t>(i)]; }

  std::function<double(int64_t)> over_run(const caffe::Schedule& schedule,
                                          std::string_view field) const override {
    if (options_.schedule) return options_.schedule(schedule, info().places.inside(field));
    return [first = schedule.point(0).value()](int64_t) { return first; };
  }

  layers::Value input(int top) override {
    ValueInfo value;
    value.name = info().tops[static_cast<size_t>(top)];
    value.shape = top_shapes_[static_cast<size_t>(top)];
    value.kind = ValueKind::kInput;
    const int id = add_value(graph_, std::move(value));
    graph_.inputs.push_back({info().tops[static_cast<size_t>(top)], layer_, top, id});
    return {id};
  }

  layers::Value carried(const std::string& name, const Shape& shape) override {
    ValueInfo value;
    value.name = info().name + "/" + name;
    value.shape = shape;
    value.kind = ValueKind::kCarried;
    const int id = add_value(graph_, value);
    graph_.carried.push_back({value.name, layer_, id, kNone});
    return {id};
  }

  void carry(layers::Value carried, layers::Value next) override {
    for (CarriedInfo& state : graph_.carried)
      if (state.value == carried.id) state.next = next.id;
  }

  std::vector<layers::Value> emit(ops::OpPtr op, const std::vector<layers::Value>& src) override {
    Node node;
    node.op = std::move(op);
    node.layer = layer_;
    for (const layers::Value v : src) node.src.push_back(v.id);
    std::vector<layers::Value> out;
    for (const int id : add_node(graph_, std::move(node), info().name)) out.push_back({id});
    return out;
  }

  void keep(layers::Value value) override {
    if (graph_.sinks.empty() || graph_.sinks.back().layer != layer_)
      graph_.sinks.push_back({layer_, {}});
    graph_.sinks.back().values.push_back(value.id);
  }

  void set_top(int i, layers::Value value) override { values[static_cast<size_t>(i)] = value.id; }

  std::vector<int> values;

 private:
  const LayerInfo& info() const { return graph_.layers[static_cast<size_t>(layer_)]; }

  // propagate_down may cut one use of a blob and not another use of it by the same layer: the cut
  // one becomes a value of its own, which nobody differentiates.
  void separate_unequal_uses() {
    const auto& down = info().param.propagate_down();
    for (int cut = 0; cut < down.size(); ++cut)
      for (int kept = 0; kept < down.size(); ++kept) {
        if (down.Get(cut) || !down.Get(kept) || bottoms_[cut] != bottoms_[kept]) continue;
        Node same;
        ops::Reshape view;
        view.shape = graph_.values[bottoms_[cut]].shape;
        same.op = std::make_shared<const ops::Reshape>(std::move(view));
        same.src = {bottoms_[cut]};
        bottoms_[cut] = add_node(graph_, std::move(same), info().bottoms[cut])[0];
        graph_.layers[static_cast<size_t>(layer_)].bottom_values[cut] = bottoms_[cut];
      }
  }

  Graph& graph_;
  const BuildOptions& options_;
  int layer_;
  std::vector<Shape> top_shapes_;
  std::vector<int> bottoms_;
};

}  // namespace crema::graph
