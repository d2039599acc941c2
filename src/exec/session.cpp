#include "exec/session.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace crema::exec {

using graph::kNone;

namespace {

NetShapes first_rows(const NetShapes& shapes, int count) {
  NetShapes out = shapes;
  out.rows.resize(std::min(out.rows.size(), static_cast<size_t>(count)));
  return out;
}

// What a graph was built for.
NetShapes shapes_of(const graph::Graph& graph) {
  NetShapes out;
  for (const graph::InputInfo& input : graph.inputs)
    if (input.layer != kNone) out.inputs[input.name] = graph.values[input.value].shape;
  for (const graph::CutInfo& cut : graph.cuts) out.rows.push_back(cut.rows);
  return out;
}

std::string text_of(const NetShapes& shapes, const graph::Graph& graph) {
  std::string out;
  for (const auto& [name, shape] : shapes.inputs)
    out += fmt::format("{}'{}' of {}", out.empty() ? "" : ", ", name, shape.text());
  for (size_t i = 0; i < shapes.rows.size(); ++i)
    out += fmt::format(", {} rows selected by '{}'", shapes.rows[i],
                       graph.values[graph.cuts.at(i).selector].name);
  return out;
}

}  // namespace

Session::Session(Build build, plan::Engines engines, Options options)
    : build_(std::move(build)), engines_(std::move(engines)), options_(std::move(options)) {
  plan_first();
}

// All segments for all rows: the parameters' layouts are settled by that.
void Session::plan_first() {
  graph_ = build_({});
  shapes_ = shapes_of(*graph_);
  const int segments = graph_->segments();
  ParamStore::Layouts layouts = params_                      ? layouts_of(*params_, *graph_)
                                : options_.shared != nullptr ? layouts_of(*options_.shared, *graph_)
                                                             : options_.planning.param_layouts;
  layouts.resize(graph_->params.size());
  // A segment above may not change a parameter that one below still reads.
  options_.planning.hand_out_gradients &= segments == 1;
  const Plans plans = plan_segments(graph_, layouts, options_.planning);
  if (!params_)
    params_ = std::make_shared<ParamStore>(*graph_, options_.planning.dtype,
                                           plans.back()->param_layouts, engines_, options_.shared);
  if (!carried_) carried_ = std::make_shared<CarriedStates>(initial_states(*graph_));
  inputs_.assign(graph_->inputs.size(), {});
  variants_.resize(static_cast<size_t>(segments));
  for (int s = 0; s < segments; ++s) {
    arenas_.push_back(std::make_shared<SharedArena>());
    auto& variants = variants_[static_cast<size_t>(s)];
    variants.push_front({first_rows(shapes_, s), graph_, make_executor(plans[s], s)});
    first_.push_back(&variants.front());
  }
  shapes_.rows.clear();
  chain_ = {first_[0]};
}

Session::Plans Session::plan_segments(std::shared_ptr<const graph::Graph> graph,
                                      ParamStore::Layouts layouts,
                                      plan::PlanOptions planning) const {
  Plans plans;
  for (int s = 0; s < graph->segments(); ++s) {
    planning.segment = s;
    planning.param_layouts = std::move(layouts);
    plans.push_back(std::make_shared<plan::Plan>(plan::make_plan(graph, engines_, planning)));
    layouts = plans.back()->param_layouts;
    for (const auto& [value, tensor] : plans.back()->exports)
      planning.outside[value] = plans.back()->tensors[tensor].desc.layout;
  }
  return plans;
}

void Session::try_replan(const Build& build) const {
  plan::PlanOptions planning = options_.planning;
  planning.prepare = false;
  const auto graph = build({});
  plan_segments(graph, layouts_of(*params_, *graph), std::move(planning));
}

void Session::replan(Build build) {
  build_ = std::move(build);
  chain_.clear();
  first_.clear();
  variants_.clear();
  arenas_.clear();
  graph_ = build_({});
  for (size_t p = 0; p < params_->size(); ++p)
    if (graph_->params[p].gradient == kNone || hands_out_gradients())
      (*params_)[p].release_gradient();
  plan_first();
}

std::unique_ptr<Executor> Session::make_executor(std::shared_ptr<plan::Plan> plan, int segment) {
  ++plans_made_;
  const plan::Plan* p = plan.get();
  auto run = std::make_unique<Executor>(std::move(plan), params_, engines_,
                                        Shared{arenas_[static_cast<size_t>(segment)], carried_});
  run->observer = [this, p](int step) {
    if (observer) observer(*p, step);
  };
  run->gradient_ready = [this](const ReadyGradient& gradient) { gradient_ready(gradient); };
  return run;
}

// Mistakes that only these shapes bring to light are the data's.
std::shared_ptr<const graph::Graph> Session::build_for(const NetShapes& shapes) const {
  Diagnostics diagnostics;
  std::shared_ptr<const graph::Graph> graph;
  Diagnostics found;
  found.guard([&] {
    graph = build_(shapes);
    check_params(*graph);
  });
  for (Error error : found.errors()) {
    error.code = ErrorCode::kData;
    error.note("the data come as " + text_of(shapes, *graph_));
    diagnostics.add(std::move(error));
  }
  diagnostics.throw_if_any();
  return graph;
}

void Session::check_params(const graph::Graph& graph) const {
  CREMA_CHECK(graph.params.size() == params_->size(), "shapes do not change what a net learns");
  for (size_t p = 0; p < params_->size(); ++p) {
    const graph::ParamInfo& info = graph.params[p];
    const Shape& fixed = (*params_)[p].desc().shape;
    if (info.shape == fixed) continue;
    const graph::LayerInfo& layer = graph.layers[static_cast<size_t>(info.layer)];
    throw Error(ErrorCode::kData,
                fmt::format("layer '{}' ({}): its blob '{}' would have to be {}, "
                            "but it is {}",
                            layer.name, layer.type, info.name, info.shape.text(), fixed.text()))
        .at(layer.places.at())
        .advise(
            "only layers whose weights do not depend on the size of their input (Convolution, "
            "global Pooling) can follow data of several sizes; crop or resize the data to one");
  }
}

std::shared_ptr<plan::Plan> Session::plan_segment(std::shared_ptr<const graph::Graph> graph,
                                                  int segment,
                                                  const ParamStore::Layouts& layouts) const {
  plan::PlanOptions planning = options_.planning;
  planning.segment = segment;
  planning.param_layouts = layouts;
  for (int s = 0; s < segment; ++s) {
    const plan::Plan& below = chain_[static_cast<size_t>(s)]->run->plan();
    for (const auto& [value, tensor] : below.exports)
      planning.outside[value] = below.tensors[tensor].desc.layout;
  }
  try {
    return std::make_shared<plan::Plan>(plan::make_plan(graph, engines_, planning));
  } catch (Error& error) {
    error.note("the data come as " + text_of(shapes_of(*graph), *graph));
    throw;
  }
}

Session::Variant& Session::variant(int segment, const NetShapes& shapes) {
  Variants& all = variants_[static_cast<size_t>(segment)];
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const Variant& v) { return v.shapes == shapes; });
  if (found != all.end()) {
    all.splice(all.begin(), all, found);
    return all.front();
  }
  auto graph = build_for(shapes);
  auto plan = plan_segment(graph, segment, layouts_of(*params_, *graph));
  if (all.size() >= options_.most_plans) {
    const auto oldest = std::find_if(all.rbegin(), all.rend(), [&](const Variant& v) {
      return std::find(first_.begin(), first_.end(), &v) == first_.end();
    });
    if (oldest != all.rend()) all.erase(std::next(oldest).base());
  }
  all.push_front({shapes, graph, make_executor(std::move(plan), segment)});
  return all.front();
}

void Session::reshape(const std::map<std::string, Shape>& inputs) {
  NetShapes wanted = shapes_;
  for (const auto& [name, shape] : inputs) {
    const auto it = wanted.inputs.find(name);
    CREMA_CHECK(it != wanted.inputs.end(), "no input '" + name + "'");
    it->second = shape;
  }
  wanted.rows.clear();
  if (wanted == chain_[0]->shapes) return;
  Variant& first = variant(0, wanted);
  shapes_ = wanted;
  chain_ = {&first};
  graph_ = first.graph;
  inputs_.assign(graph_->inputs.size(), {});
}

void Session::set_input(size_t i, std::span<const float> values) {
  inputs_.at(i) = values;
}

void Session::feed(Executor& run, bool seeds) const {
  const graph::Graph& graph = *run.plan().graph;
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const graph::InputInfo& input = graph.inputs[i];
    if (static_cast<int64_t>(inputs_[i].size()) == graph.values[input.value].shape.count())
      run.set_input(i, inputs_[i]);
    else
      CREMA_CHECK(!run.uses_input(i) || (input.layer == kNone && !seeds),
                  "input '" + input.name + "' has the wrong number of elements");
  }
}

// Where this segment finds a value of another one.
const void* Session::outside(int segment, int value) const {
  const graph::Graph& graph = *chain_[static_cast<size_t>(segment)]->graph;
  if (graph.values[value].producer < graph.forward_nodes)
    return chain_[static_cast<size_t>(graph.segment_of_value(value))]->run->exported(value);
  // Gradients have other ids in other graphs: they are known by what they are gradients of.
  for (const graph::Crossing& mine : graph.crossings) {
    if (mine.gradient != value) continue;
    const Variant& above = *chain_[static_cast<size_t>(mine.segment)];
    for (const graph::Crossing& theirs : above.graph->crossings)
      if (theirs.value == mine.value && theirs.segment == mine.segment)
        return above.run->exported(theirs.gradient);
  }
  throw LogicError("value '" + graph.values[value].name + "' does not cross segments");
}

void Session::enter(int segment, Variant& variant) {
  chain_.resize(static_cast<size_t>(segment));
  chain_.push_back(&variant);
  graph_ = variant.graph;
  feed(*variant.run, false);
  for (const int value : variant.run->outside())
    if (graph_->values[value].producer < graph_->forward_nodes)
      variant.run->set_outside(value, outside(segment, value));
}

int64_t Session::count_rows(int cut) const {
  const int selector = graph_->cuts[static_cast<size_t>(cut)].selector;
  const auto nonzero = [](const auto& values) {
    return std::count_if(values.begin(), values.end(), [](auto v) { return v != 0; });
  };
  return options_.planning.dtype == DType::kF64 ? nonzero(read_f64(selector))
                                                : nonzero(read(selector));
}

double Session::forward(const ops::StepInfo& step) {
  NetShapes found = shapes_;
  enter(0, *chain_[0]);
  double loss = chain_[0]->run->forward(step);
  for (int s = 1; s < graph_->segments(); ++s) {
    found.rows.push_back(count_rows(s - 1));
    enter(s, variant(s, found));
    loss += chain_.back()->run->forward(step);
  }
  return loss;
}

double Session::forward(const ops::StepInfo& step, const plan::Trunk& trunk,
                        Executor::TrunkMode mode, const Executor::Visit& visit) {
  CREMA_CHECK(graph_->segments() == 1, "a trunk of a net in segments");
  enter(0, *chain_[0]);
  return chain_[0]->run->forward(step, trunk, mode, visit);
}

void Session::to_plain(int tensor, const void* data, float* plain) const {
  chain_[0]->run->to_plain(tensor, data, plain);
}

void Session::from_plain(int tensor, const float* plain, void* data) const {
  chain_[0]->run->from_plain(tensor, plain, data);
}

size_t Session::arena_bytes() const {
  size_t bytes = 0;
  for (const plan::Plan* plan : plans()) bytes += plan->arena_bytes;
  return bytes;
}

void Session::backward(const ops::StepInfo& step) {
  for (int s = static_cast<int>(chain_.size()) - 1; s >= 0; --s) {
    Variant& variant = *chain_[static_cast<size_t>(s)];
    feed(*variant.run, true);
    for (const int value : variant.run->outside())
      if (variant.graph->values[value].producer >= variant.graph->forward_nodes)
        variant.run->set_outside(value, outside(s, value));
    variant.run->backward(step);
  }
}

void Session::clear_gradients() {
  for (size_t p = 0; p < params_->size(); ++p)
    if ((*params_)[p].has_gradient())
      std::fill_n(static_cast<std::byte*>((*params_)[p].gradient()), (*params_)[p].desc().bytes(),
                  std::byte{0});
}

const Executor* Session::reader(int value) const {
  const size_t segment = static_cast<size_t>(graph_->segment_of_value(value));
  return segment < chain_.size() ? chain_[segment]->run.get() : nullptr;
}

std::vector<float> Session::read(int value) const {
  const Executor* run = reader(value);
  return run != nullptr ? run->read(value) : std::vector<float>();
}

std::vector<double> Session::read_f64(int value) const {
  const Executor* run = reader(value);
  return run != nullptr ? run->read_f64(value) : std::vector<double>();
}

std::vector<float> Session::read_now(const plan::Plan& plan, int value) const {
  const Executor& run = *chain_[static_cast<size_t>(plan.segment)]->run;
  CREMA_CHECK(&run.plan() == &plan, "the plan is not at work");
  return run.read(value);
}

// Who computed the gradient of an input, and as what.
std::pair<const Executor*, int> Session::gradient_of(const std::string& blob) const {
  for (const Variant* variant : chain_) {
    const auto it = variant->graph->input_gradients.find(blob);
    if (it == variant->graph->input_gradients.end()) continue;
    const int segment = variant->graph->segment_of_value(it->second);
    if (segment == variant->run->plan().segment) return {variant->run.get(), it->second};
  }
  return {nullptr, kNone};
}

std::vector<float> Session::input_gradient(const std::string& blob) const {
  const auto [run, value] = gradient_of(blob);
  return run != nullptr ? run->read(value) : std::vector<float>();
}

std::vector<double> Session::input_gradient_f64(const std::string& blob) const {
  const auto [run, value] = gradient_of(blob);
  return run != nullptr ? run->read_f64(value) : std::vector<double>();
}

std::vector<const plan::Plan*> Session::plans() const {
  std::vector<const plan::Plan*> out;
  for (size_t s = 0; s < first_.size(); ++s)
    out.push_back(&(s < chain_.size() ? chain_[s] : first_[s])->run->plan());
  return out;
}

}  // namespace crema::exec
