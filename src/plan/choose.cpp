// The pass choose (with layout): a kernel for every node, reorders where layouts differ.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "ops/shape_ops.hpp"
#include "plan/passes.hpp"

namespace crema::plan {

namespace {

class Chooser {
 public:
  Chooser(Plan& plan, const Engines& engines, const PlanOptions& options)
      : plan_(plan),
        graph_(*plan.graph),
        program_(plan.program),
        engines_(engines),
        options_(options) {
    versions_.resize(program_.values.size());
    agreed_.resize(program_.nodes.size());
    differentiated_.resize(program_.nodes.size());
    repeated_.resize(program_.nodes.size());
    for (const graph::Node& node : program_.nodes) {
      if (node.forward == kNone) continue;
      differentiated_[node.forward] = true;
      if (node.part == ops::kForward) repeated_[node.forward] = true;
    }
    plan_.param_layouts.resize(graph_.params.size());
    plan_.param_gradients.assign(graph_.params.size(), kNone);
    for (size_t p = 0; p < graph_.params.size(); ++p)
      if (graph_.params[p].gradient != kNone)
        gradient_of_[graph_.params[p].gradient] = static_cast<int>(p);
    may_come_in_pieces_ = nodes_in_pieces(graph_, program_, options_);
  }

  void run() {
    for (int n = 0; n < static_cast<int>(program_.nodes.size()); ++n) {
      node(n);
      if (n + 1 == program_.forward_nodes)
        plan_.forward_steps = static_cast<int>(plan_.steps.size());
    }
    export_values();
    for (size_t i = 0; i < graph_.values.size(); ++i) {
      const int v = program_.resolve(static_cast<int>(i));
      plan_.value_tensors.push_back(versions_[v].empty() ? readable(v) : versions_[v].front());
    }
    for (size_t p = 0; p < graph_.params.size(); ++p)
      plan_.param_layouts[p] = known_layout(graph_.params[p].value);
  }

 private:
  // Layouts that a forward kernel agreed to, which its gradient kernels may rely on.
  struct Agreed {
    ops::Engine* engine = nullptr;
    std::map<int, Layout> layouts;  // by value
    Layout result;                  // for values that a fused kernel does not store
    int workspace = kNone;
    ops::KernelRequest request;  // of what is computed again

    const Layout& layout(int value) const {
      const auto it = layouts.find(value);
      return it == layouts.end() ? result : it->second;
    }
  };

  // Values nobody computes in this plan (an unused gradient) have no tensor; nor do parameters of
  // other segments.
  int readable(int value) {
    const graph::ValueKind kind = program_.values[value].kind;
    if (kind == graph::ValueKind::kResult) return kNone;
    if (kind == graph::ValueKind::kParam && graph_.segment_of_value(value) != options_.segment)
      return kNone;
    return primary(value);
  }

  // What other segments read: values as they rest, gradients plain.
  void export_values() {
    for (const int value : exported_values(graph_, options_.segment)) {
      const int v = program_.resolve(value);
      const bool gradient = graph_.values[value].producer >= graph_.forward_nodes;
      plan_.exports[value] = gradient ? version(v, Layout(), kNone) : versions_[v].front();
    }
  }

  int add_tensor(int value, Layout layout, int buffer) {
    TensorDesc desc{program_.values[value].shape, options_.dtype, std::move(layout)};
    plan_.tensors.push_back({value, std::move(desc), buffer});
    const int id = static_cast<int>(plan_.tensors.size()) - 1;
    versions_[value].push_back(id);
    return id;
  }

  int add_buffer(Storage storage, int index, size_t bytes) {
    plan_.buffers.push_back({.storage = storage, .index = index, .bytes = bytes});
    return static_cast<int>(plan_.buffers.size()) - 1;
  }

  int add_stored(int value, const Layout& layout, Storage storage, int index) {
    const TensorDesc desc{program_.values[value].shape, options_.dtype, layout};
    return add_tensor(value, layout, add_buffer(storage, index, desc.bytes()));
  }

  // The layout a value has, if that is decided.
  std::optional<Layout> known_layout(int value) {
    if (!versions_[value].empty()) return plan_.tensors[versions_[value].front()].desc.layout;
    const graph::ValueInfo& info = program_.values[value];
    if (info.kind != graph::ValueKind::kParam) return plan_.tensors[primary(value)].desc.layout;
    const auto& fixed = options_.param_layouts;
    return static_cast<size_t>(info.param) < fixed.size() ? fixed[info.param] : std::nullopt;
  }

  // The tensor in which a value that no node computes is stored; `wish` decides for new weights.
  int primary(int value, const Layout& wish = {}) {
    if (!versions_[value].empty()) return versions_[value].front();
    const graph::ValueInfo& info = program_.values[value];
    switch (info.kind) {
      case graph::ValueKind::kInput:
        for (size_t i = 0; i < graph_.inputs.size(); ++i)
          if (graph_.inputs[i].value == value)
            return add_stored(value, {}, Storage::kInput, static_cast<int>(i));
        break;
      case graph::ValueKind::kCarried:
        for (size_t i = 0; i < graph_.carried.size(); ++i)
          if (graph_.carried[i].value == value)
            return add_stored(value, {}, Storage::kCarried, static_cast<int>(i));
        break;
      case graph::ValueKind::kConstant:
        return add_stored(value, {}, Storage::kConstant, value);
      case graph::ValueKind::kParam:
        CREMA_CHECK(wish.plain() || wish.opaque()->dtype() != DType::kBf16, "a rounded parameter");
        return add_stored(value, known_layout(value).value_or(wish), Storage::kParamValue,
                          info.param);
      case graph::ValueKind::kResult:
        if (!computed_in(graph_, value, options_.segment)) {
          const auto known = options_.outside.find(value);
          const Layout layout = known == options_.outside.end() ? Layout() : known->second;
          return add_stored(value, layout, Storage::kOutside, value);
        }
        break;
    }
    throw LogicError("value '" + info.name + "' is read before it is computed");
  }

  // Source i in the layout that the forward kernel wants; where nobody has decided how a parameter
  // rests, it rests so, but never rounded.
  int source(const graph::Node& n, const ops::Offer& offer, int i) {
    const auto rest = offer.at_rest.find(i);
    if (rest != offer.at_rest.end()) primary(n.src[i], rest->second);
    return version(n.src[i], offer.src[i], n.layer);
  }

  // The value in this layout; a reorder step is inserted if it is not there yet.
  int version(int value, const Layout& layout, int layer) {
    const int first = primary(value, layout);
    for (const int id : versions_[value])
      if (plan_.tensors[id].desc.layout == layout) return id;
    const int copy = add_stored(value, layout, Storage::kArena, kNone);
    reorder(first, copy, layer);
    return copy;
  }

  void reorder(int from, int to, int layer) {
    static const ops::OpPtr op = std::make_shared<const ops::Reorder>();
    Chosen chosen = ask_reorder(engines_, *op, plan_.tensors[from].desc, plan_.tensors[to].desc);
    Step step;
    step.layer = layer;
    step.op = op;
    step.src = {from};
    step.dst = {to};
    step.mutates = {false};
    finish(std::move(step), std::move(chosen));
  }

  void finish(Step step, Chosen chosen) {
    step.parts = std::move(chosen.offer.parts);
    step.engine = chosen.engine->name();
    step.implementation = std::move(chosen.offer.implementation);
    step.refusals = std::move(chosen.refusals);
    step.kernel = std::move(chosen.offer.kernel);
    const size_t scratch = chosen.offer.scratch_bytes;
    if (scratch > 0) step.scratch = add_buffer(Storage::kArena, kNone, scratch);
    plan_.scratch_bytes = std::max(plan_.scratch_bytes, scratch);
    plan_.steps.push_back(std::move(step));
  }

  void node(int index) {
    const graph::Node& n = program_.nodes[index];
    if (n.part == ops::kAgain)
      again(index, n);
    else if (repeats(n))
      forward_again(index, n);
    else if (n.part != ops::kForward)
      gradient(index, n);
    else if (n.op->view())
      view(index, n);
    else
      forward(index, n);
  }

  // dst is src's memory. Under another shape, that only makes sense in the plain layout.
  void view(int index, const graph::Node& n) {
    const bool same = program_.values[n.src[0]].shape == program_.values[n.dst[0]].shape;
    const int src = same ? primary(n.src[0]) : version(n.src[0], Layout(), n.layer);
    const plan::Tensor source = plan_.tensors[src];
    add_tensor(n.dst[0], source.desc.layout, source.buffer);
    Agreed& agreed = agreed_[index];
    agreed.result = source.desc.layout;
    agreed.layouts[n.src[0]] = agreed.layouts[n.dst[0]] = source.desc.layout;
  }

  // A layer that is frozen for a part of the run computes the same bits all the while.
  bool could_learn(int index, const graph::Node& n) const {
    return options_.training && n.layer != kNone && index < program_.forward_nodes &&
           graph_.layers[n.layer].trainable;
  }

  void forward(int index, const graph::Node& n) {
    ops::KernelRequest request = request_for(n, options_);
    request.training = differentiated_[index] || could_learn(index, n);
    for (const int v : n.src)
      request.src.push_back({program_.values[v].shape, known_layout(v), true});
    for (const int v : n.dst) request.dst.push_back({program_.values[v].shape, std::nullopt, true});
    Chosen chosen = ask(engines_, request);
    ops::Offer& offer = chosen.offer;

    Step step = step_for(index, n);
    for (size_t i = 0; i < n.src.size(); ++i) {
      step.src.push_back(source(n, offer, static_cast<int>(i)));
      const Storage storage = plan_.buffers[plan_.tensors[step.src.back()].buffer].storage;
      CREMA_CHECK(!step.mutates[i] || storage == Storage::kParamValue,
                  "statistics are updated where they rest");
    }
    for (size_t i = 0; i < n.dst.size(); ++i) step.dst.push_back(result(n.dst[i], offer.dst[i]));
    if (request.training && offer.workspace_bytes > 0)
      step.workspace = add_buffer(Storage::kArena, kNone, offer.workspace_bytes);
    step.flops = program_.flops(n);
    Agreed& agreed = agreed_[index];
    agreed.engine = chosen.engine;
    agreed.workspace = step.workspace;
    agreed.result = offer.dst[0];
    if (repeated_[index]) agreed.request = request;
    for (size_t i = 0; i < n.src.size(); ++i) agreed.layouts[n.src[i]] = offer.src[i];
    for (size_t i = 0; i < n.dst.size(); ++i) agreed.layouts[n.dst[i]] = offer.dst[i];
    finish(std::move(step), std::move(chosen));
    for (const int v : n.dst) store_gradient(v, n.layer);
  }

  // A result that was not kept, from what the forward kernel has left.
  void again(int index, const graph::Node& n) {
    const Agreed& agreed = agreed_[n.forward];
    ops::KernelRequest request = request_for(n, options_);
    for (const int v : n.src)
      request.src.push_back({program_.values[v].shape, layout_in(agreed, v), true});
    request.dst = {{program_.values[n.dst[0]].shape, agreed.result, true}};
    Chosen chosen = ask({agreed.engine}, request);
    Step step = step_for(index, n);
    step.src.assign(n.src.size(), kNone);
    for (const int i : n.op->reads_again())
      step.src[i] = version(n.src[i], chosen.offer.src[i], n.layer);
    step.dst = {add_stored(n.dst[0], chosen.offer.dst[0], Storage::kArena, kNone)};
    step.workspace = agreed.workspace;
    finish(std::move(step), std::move(chosen));
  }

  // A result that was not kept, by the kernel that computed it first: asked for in the same words.
  void forward_again(int index, const graph::Node& n) {
    Agreed& agreed = agreed_[index];
    agreed = agreed_[n.forward];
    Chosen chosen = ask({agreed.engine}, agreed.request);
    const ops::Offer& offer = chosen.offer;
    Step step = step_for(index, n);
    for (size_t i = 0; i < n.src.size(); ++i)
      step.src.push_back(version(n.src[i], offer.src[i], n.layer));
    step.dst = {add_stored(n.dst[0], offer.dst[0], Storage::kArena, kNone)};
    if (offer.workspace_bytes > 0)
      step.workspace = add_buffer(Storage::kArena, kNone, offer.workspace_bytes);
    agreed.workspace = step.workspace;
    step.flops = program_.flops(n);
    finish(std::move(step), std::move(chosen));
  }

  const Layout& layout_in(const Agreed& agreed, int value) const {
    return agreed.layout(program_.first_had[value]);
  }

  void gradient(int index, const graph::Node& n) {
    const Agreed& agreed = agreed_[n.forward];
    const ops::GradientPart part = n.op->gradient()[n.part];
    ops::KernelRequest request = gradient_request(n, agreed);
    request.in_pieces = may_come_in_pieces_.contains(index);
    Chosen chosen = part.reads_workspace ? ask({agreed.engine}, request) : ask(engines_, request);
    ops::Offer& offer = chosen.offer;

    Step step = step_for(index, n);
    step.src.assign(n.src.size(), kNone);
    step.dst.assign(n.dst.size(), kNone);
    step.diff_dst.assign(n.diff_dst.size(), kNone);
    step.diff_src.assign(n.diff_src.size(), kNone);
    for (const int i : part.reads_src) step.src[i] = version(n.src[i], offer.src[i], n.layer);
    for (const int i : part.reads_dst) step.dst[i] = version(n.dst[i], offer.dst[i], n.layer);
    for (size_t i = 0; i < n.diff_dst.size(); ++i)
      if (n.diff_dst[i] != kNone)
        step.diff_dst[i] = version(n.diff_dst[i], offer.diff_dst[i], n.layer);
    for (size_t i = 0; i < n.diff_src.size(); ++i)
      if (n.diff_src[i] != kNone) step.diff_src[i] = result(n.diff_src[i], offer.diff_src[i]);
    step.pieces = offer.pieces;
    if (step.pieces > 1)
      plan_.buffers[plan_.tensors[step.diff_src[1]].buffer].bytes /=
          static_cast<size_t>(step.pieces);
    if (part.reads_workspace) step.workspace = agreed.workspace;
    step.flops = program_.flops(n);
    finish(std::move(step), std::move(chosen));
    for (const int v : n.diff_src)
      if (v != kNone) store_gradient(v, n.layer);
  }

  ops::KernelRequest gradient_request(const graph::Node& n, const Agreed& agreed) {
    ops::KernelRequest request = request_for(n, options_);
    request.training = true;
    for (size_t i = 0; i < n.src.size(); ++i)
      request.src.push_back({program_.values[n.src[i]].shape, layout_in(agreed, n.src[i]), true});
    for (size_t i = 0; i < n.dst.size(); ++i)
      request.dst.push_back({program_.values[n.dst[i]].shape, layout_in(agreed, n.dst[i]), true});
    for (size_t i = 0; i < n.diff_dst.size(); ++i) {
      const int v = n.diff_dst[i];
      request.diff_dst.push_back({program_.values[n.dst[i]].shape,
                                  v == kNone ? std::nullopt : known_layout(v), v != kNone});
    }
    for (size_t i = 0; i < n.diff_src.size(); ++i) {
      // A weight's gradient is best written in the weight's own layout.
      const int p = parameter_of(n.diff_src[i]);
      request.diff_src.push_back(
          {program_.values[n.src[i]].shape,
           p == kNone ? std::nullopt : known_layout(graph_.params[static_cast<size_t>(p)].value),
           n.diff_src[i] != kNone});
    }
    return request;
  }

  // The parameter of which it is the gradient, or kNone.
  int parameter_of(int gradient) const {
    if (gradient == kNone) return kNone;
    const auto target = gradient_of_.find(gradient);
    return target != gradient_of_.end() ? target->second : program_.values[gradient].param;
  }

  bool gradients_in_arena() const {
    return options_.separate_gradients || options_.hand_out_gradients;
  }
  // Where a node's result goes: a parameter's gradient straight into its place if the layout fits.
  int result(int value, const Layout& layout) {
    const auto target = gradient_of_.find(value);
    if (target == gradient_of_.end() || gradients_in_arena())
      return add_stored(value, layout, Storage::kArena, kNone);
    const int p = target->second;
    const bool fits = plan_.tensors[primary(graph_.params[p].value)].desc.layout == layout;
    return add_stored(value, layout, fits ? Storage::kParamGradient : Storage::kArena,
                      fits ? p : kNone);
  }

  // A parameter's gradient is complete: make sure that it is in the parameter's own layout.
  void store_gradient(int value, int layer) {
    const auto target = gradient_of_.find(value);
    if (target == gradient_of_.end()) return;
    const int p = target->second;
    const Layout layout = plan_.tensors[primary(graph_.params[p].value)].desc.layout;
    int stored = versions_[value].front();
    if (plan_.tensors[stored].desc.layout != layout) {
      const Storage storage = gradients_in_arena() ? Storage::kArena : Storage::kParamGradient;
      const int written = stored;
      stored = add_stored(value, layout, storage, gradients_in_arena() ? kNone : p);
      reorder(written, stored, layer);
    }
    plan_.param_gradients[p] = stored;
  }

  Plan& plan_;
  const graph::Graph& graph_;
  const Program& program_;
  const Engines& engines_;
  const PlanOptions& options_;
  std::vector<std::vector<int>> versions_;  // per value: its tensors, the first is where it rests
  std::vector<Agreed> agreed_;              // per node
  std::vector<bool> differentiated_;        // per node: gradient parts follow
  std::vector<bool> repeated_;              // per node: its kernel runs a second time
  std::map<int, int> gradient_of_;          // value -> parameter
  std::set<int> may_come_in_pieces_;        // nodes whose gradient of a parameter may
};

}  // namespace

void choose(Plan& plan, const Engines& engines, const PlanOptions& options) {
  Chooser(plan, engines, options).run();
}

}  // namespace crema::plan
