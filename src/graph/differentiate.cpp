// The `differentiate` pass: gradient nodes, from the losses down to what learns.
#include <algorithm>

#include "graph/passes.hpp"
#include "ops/linear.hpp"
#include "ops/pointwise.hpp"
#include "ops/shape_ops.hpp"

namespace crema::graph {

namespace {

class Differentiation {
 public:
  Differentiation(Graph& graph, const BuildOptions& options) : graph_(graph), options_(options) {}

  void run() {
    graph_.forward_nodes = static_cast<int>(graph_.nodes.size());
    seed();
    for (int i = static_cast<int>(graph_.layers.size()) - 1; i >= 0; --i) {
      if (graph_.layers[static_cast<size_t>(i)].backward) layer(i);
      if (graph_.segment_of_layer(i) != graph_.segment_of_layer(i - 1)) leave_segment(i);
    }
    for (ParamInfo& param : graph_.params)
      if (const int gradient = total(param.value); gradient != kNone)
        param.gradient = written_by_a_kernel(gradient);
    for (const InputInfo& input : graph_.inputs) {
      const int gradient = total(input.value);
      if (gradient != kNone) graph_.input_gradients[input.name] = gradient;
    }
  }

 private:
  void seed() {
    std::map<int, float> weights;
    for (const LayerInfo& layer : graph_.layers)
      for (size_t i = 0; i < layer.top_values.size(); ++i)
        if (layer.loss_weights[i] != 0) weights[layer.top_values[i]] = layer.loss_weights[i];
    for (const auto& [value, weight] : weights) contribute(value, constant_like(value, weight));
    for (const std::string& blob : options_.seeded_blobs) {
      const int value = graph_.find_blob(blob);
      CREMA_CHECK(value != kNone, "a seeded blob does not exist: " + blob);
      ValueInfo gradient;
      gradient.name = "d(" + blob + ")";
      gradient.shape = graph_.values[value].shape;
      gradient.kind = ValueKind::kInput;
      const int id = add_value(graph_, std::move(gradient));
      graph_.inputs.push_back({"d(" + blob + ")", kNone, 0, id});
      contribute(value, id);
    }
  }

  int constant_like(int value, float number) {
    ValueInfo info;
    info.name = "d(" + graph_.values[value].name + ")";
    info.shape = graph_.values[value].shape;
    info.kind = ValueKind::kConstant;
    info.constant = number;
    return add_value(graph_, std::move(info));
  }

  void contribute(int value, int gradient) {
    contributions_[value].push_back(gradient);
    if (layer_ != kNone)
      graph_.layers[static_cast<size_t>(layer_)].contributions.emplace_back(value, gradient);
  }

  // The gradient of a value: the sum of what its uses contribute; kNone if nothing does.
  int total(int value) {
    const auto it = contributions_.find(value);
    if (it == contributions_.end()) return kNone;
    if (it->second.size() == 1) return it->second[0];
    ops::Eltwise sum;
    sum.sources = static_cast<int>(it->second.size());
    sum.coefficients.assign(it->second.size(), 1.0f);
    Node node;
    node.op = std::make_shared<const ops::Eltwise>(std::move(sum));
    node.src = it->second;
    node.layer = layer_;
    const int id = add_node(graph_, std::move(node), "d(" + graph_.values[value].name + ")")[0];
    it->second = {id};
    return id;
  }

  // A parameter's gradient lives in its own memory, so a kernel must write it: constants and views
  // are copied.
  int written_by_a_kernel(int gradient) {
    const ValueInfo& info = graph_.values[gradient];
    if (info.kind == ValueKind::kResult) {
      const Node& producer = graph_.nodes[info.producer];
      const bool view = producer.part == ops::kForward && producer.op->view();
      if (!view && claimed_.insert(gradient).second) return gradient;
    }
    ops::Eltwise copy;
    copy.sources = 1;
    copy.coefficients = {1.0f};
    Node node;
    node.op = std::make_shared<const ops::Eltwise>(std::move(copy));
    node.src = {gradient};
    return add_node(graph_, std::move(node), info.name)[0];
  }

  // Values of this layer through which a wanted gradient flows.
  std::set<int> active_values(const LayerInfo& info, int layer_index) const {
    std::set<int> active;
    for (size_t i = 0; i < info.bottom_values.size(); ++i)
      if (info.bottom_backward[i]) active.insert(info.bottom_values[i]);
    for (size_t i = 0; i < info.params.size(); ++i)
      if (info.param_backward[i])
        active.insert(graph_.params[static_cast<size_t>(info.params[i])].value);
    for (int n = 0; n < graph_.forward_nodes; ++n) {
      const Node& node = graph_.nodes[n];
      if (node.layer != layer_index) continue;
      bool flows = false;
      for (const ops::GradientPart& part : node.op->gradient())
        for (const int w : part.wrt) flows |= active.contains(node.src[w]);
      if (flows)
        for (const int d : node.op->differentiable_dst()) active.insert(node.dst[d]);
    }
    return active;
  }

  void layer(int index) {
    layer_ = index;
    const std::set<int> active = active_values(graph_.layers[static_cast<size_t>(index)], index);
    find_shared_weights(index);
    for (int n = graph_.forward_nodes - 1; n >= 0; --n) {
      if (graph_.nodes[n].layer != index) continue;
      // Also where there is no gradient just now: what is fused follows from it.
      for (const ops::GradientPart& part : graph_.nodes[n].op->gradient())
        if (reads_another(graph_.nodes[n], part)) graph_.nodes[n].reads_another = true;
      node(n, active);
    }
    for (const auto& [weight, shared] : shared_weights_) sum_weight_gradients(weight, shared);
    layer_ = kNone;
  }

  // The segment that begins at `layer` is done: one gradient per value goes on to those below.
  void leave_segment(int layer) {
    const int segment = graph_.segment_of_layer(layer);
    layer_ = layer;
    std::vector<int> values;
    for (const auto& [value, gradients] : contributions_)
      if (graph_.values[value].kind == ValueKind::kParam ||
          graph_.segment_of_value(value) < segment)
        values.push_back(value);
    for (const int value : values) {
      const int gradient = total(value);
      if (graph_.values[gradient].kind == ValueKind::kResult &&
          graph_.segment_of_value(gradient) == segment)
        graph_.crossings.push_back({value, segment, gradient});
    }
    layer_ = kNone;
  }

  // A weight matrix that several inner products of the layer use: a recurrent layer's, at each time
  // step. Its gradient is one sum, so that no step's share takes memory of the weight's size.
  struct SharedWeight {
    int uses = 0;
    std::shared_ptr<const ops::InnerProduct> op;
    std::vector<int> operands;  // of the sum: source, gradient of destination, source, ...
  };

  void find_shared_weights(int index) {
    shared_weights_.clear();
    std::map<int, SharedWeight> uses;
    for (int n = 0; n < graph_.forward_nodes; ++n) {
      const Node& node = graph_.nodes[n];
      const auto op = std::dynamic_pointer_cast<const ops::InnerProduct>(node.op);
      if (node.layer != index || !op || op->bias) continue;
      SharedWeight& shared = uses[node.src[1]];
      if (shared.op && (shared.op->axis != op->axis || shared.op->transpose != op->transpose))
        shared.uses = -1;  // not the same product every time: never mind
      shared.op = op;
      if (shared.uses >= 0) ++shared.uses;
    }
    for (auto& [weight, shared] : uses)
      if (shared.uses > 1) shared_weights_.emplace(weight, std::move(shared));
  }

  void sum_weight_gradients(int weight, const SharedWeight& shared) {
    if (shared.operands.empty()) return;
    ops::WeightGradientSum sum;
    sum.axis = shared.op->axis;
    sum.transpose = shared.op->transpose;
    sum.weight = graph_.values[weight].shape;
    Node node;
    node.op = std::make_shared<const ops::WeightGradientSum>(std::move(sum));
    node.src = shared.operands;
    node.layer = layer_;
    contribute(weight, add_node(graph_, std::move(node), gradient_name(weight))[0]);
  }

  // Puts the gradient of a shared weight off until all of its uses are known.
  bool deferred(const Node& forward, const ops::GradientPart& part, int diff_dst) {
    if (part.wrt != std::vector<int>{1}) return false;
    const auto it = shared_weights_.find(forward.src[1]);
    if (it == shared_weights_.end()) return false;
    if (dynamic_cast<const ops::InnerProduct*>(forward.op.get()) == nullptr) return false;
    it->second.operands.insert(it->second.operands.end(), {forward.src[0], diff_dst});
    return true;
  }

  void node(int index, const std::set<int>& active) {
    const Node forward = graph_.nodes[index];
    std::vector<int> diff_dst(forward.dst.size(), kNone);
    bool any = false;
    for (const int d : forward.op->differentiable_dst()) {
      diff_dst[d] = total(forward.dst[d]);
      any |= diff_dst[d] != kNone;
    }
    if (!any) return;
    for (const int d : forward.op->differentiable_dst())
      if (diff_dst[d] == kNone) diff_dst[d] = constant_like(forward.dst[d], 0);
    const auto parts = forward.op->gradient();
    for (size_t p = 0; p < parts.size(); ++p) {
      const bool wanted = std::any_of(parts[p].wrt.begin(), parts[p].wrt.end(),
                                      [&](int w) { return active.contains(forward.src[w]); });
      if (wanted && !deferred(forward, parts[p], diff_dst[0]))
        emit_part(forward, index, static_cast<int>(p), parts[p], diff_dst, active);
    }
  }

  void emit_part(const Node& forward, int index, int part_index, const ops::GradientPart& part,
                 const std::vector<int>& diff_dst, const std::set<int>& active) {
    if (forward.op->gradient_view()) {
      ops::Reshape back;
      back.shape = graph_.values[forward.src[0]].shape;
      Node node;
      node.op = std::make_shared<const ops::Reshape>(std::move(back));
      node.src = {diff_dst[0]};
      node.layer = layer_;
      contribute(forward.src[0],
                 add_node(graph_, std::move(node), gradient_name(forward.src[0]))[0]);
      return;
    }
    Node node;
    node.op = forward.op;
    node.part = part_index;
    node.layer = layer_;
    node.forward = index;
    node.src = forward.src;
    node.dst = forward.dst;
    if (reads_another(forward, part)) node.dst[0] = last_written();
    node.diff_dst = diff_dst;
    node.diff_src.assign(forward.src.size(), kNone);
    const int producer = static_cast<int>(graph_.nodes.size());
    for (const int w : part.wrt) {
      if (!active.contains(forward.src[w])) {
        if (frozen_for_now(forward.src[w]))
          node.diff_src[w] = unread_gradient(forward.src[w], producer);
        continue;
      }
      ValueInfo gradient;
      gradient.name = gradient_name(forward.src[w]);
      gradient.shape = graph_.values[forward.src[w]].shape;
      gradient.producer = producer;
      node.diff_src[w] = add_value(graph_, std::move(gradient));
      contribute(forward.src[w], node.diff_src[w]);
    }
    graph_.nodes.push_back(std::move(node));
  }

  // A blob that learns at other times, beside one that learns now: the kernel that computes both
  // stays, because one that computes the other alone might add up in another order.
  bool frozen_for_now(int value) const {
    const ValueInfo& info = graph_.values[value];
    if (info.kind != ValueKind::kParam) return false;
    const ParamInfo& param = graph_.params[static_cast<size_t>(info.param)];
    return param.choice.frozen && param.choice.learns && !param.choice.frozen_for_good &&
           !param.state;
  }

  int unread_gradient(int value, int producer) {
    ValueInfo gradient;
    gradient.name = gradient_name(value);
    gradient.shape = graph_.values[value].shape;
    gradient.param = graph_.values[value].param;
    gradient.producer = producer;
    return add_value(graph_, std::move(gradient));
  }

  // Whether BVLC's gradient of this layer reads the memory of its top: that of its bottom too,
  // where it works in place. Types with a copy of their own (PReLU, Scale, BatchNorm) do not.
  bool reads_top_memory(const Node& forward, const ops::GradientPart& part) const {
    const LayerInfo& info = graph_.layers[static_cast<size_t>(layer_)];
    if (part.reads_workspace || !part.reads_src.empty() || part.reads_dst != std::vector{0})
      return false;
    if (info.top_values != std::vector{forward.dst[0]}) return false;
    const bool in_place = info.bottoms == info.tops;
    const bool always = info.type == "Sigmoid" || info.type == "TanH" || info.type == "Exp" ||
                        info.type == "Softmax";
    const Shape& shape = graph_.values[forward.dst[0]].shape;
    return (in_place || always) && graph_.values[last_written()].shape == shape;
  }

  bool reads_another(const Node& forward, const ops::GradientPart& part) const {
    return options_.caffe_compat && reads_top_memory(forward, part) &&
           last_written() != forward.dst[0];
  }

  // What the memory of the layer's only top holds after the forward pass.
  int last_written() const {
    return graph_.find_blob(graph_.layers[static_cast<size_t>(layer_)].tops[0]);
  }

  std::string gradient_name(int value) const { return "d(" + graph_.values[value].name + ")"; }

  Graph& graph_;
  const BuildOptions& options_;
  std::map<int, std::vector<int>> contributions_;
  std::set<int> claimed_;
  std::map<int, SharedWeight> shared_weights_;  // of the layer at hand, by the weight's value
  int layer_ = kNone;
};

}  // namespace

void differentiate(Graph& graph, const BuildOptions& options) {
  Differentiation(graph, options).run();
}

}  // namespace crema::graph
