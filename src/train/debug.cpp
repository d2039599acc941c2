#include "train/debug.hpp"

#include <algorithm>
#include <cmath>

namespace crema::train {

namespace {

double mean_abs(const std::vector<float>& values) {
  double sum = 0;
  for (const float v : values) sum += std::abs(v);
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

}  // namespace

DebugInfo::DebugInfo(exec::Session& session, report::Reporter& reporter)
    : session_(session), reporter_(reporter) {
  session_.observer = [this](const plan::Plan& plan, int step) { watch(plan, step); };
}

DebugInfo::~DebugInfo() {
  session_.observer = nullptr;
}

void DebugInfo::watch(const plan::Plan& plan, int index) {
  const plan::Step& step = plan.steps[static_cast<size_t>(index)];
  // A reorder or a repetition: another copy of what was seen already.
  if (step.node == plan::kNone || plan::repeats(plan, step)) return;
  const bool forward = index < plan.forward_steps;
  const auto see = [&](int tensor) {
    if (tensor == plan::kNone) return;
    const int value = plan.tensors[static_cast<size_t>(tensor)].value;
    std::vector<float> values = session_.read_now(plan, value);
    if (forward)
      means_[value] = mean_abs(values);
    else
      gradients_[{plan.segment, value}] = std::move(values);
  };
  if (step.part == ops::kForward)
    for (const int tensor : step.dst) see(tensor);
  else
    for (const int tensor : step.diff_src) see(tensor);
}

// Values that no kernel makes: inputs, parameters and constants are still there after the pass;
// views hold what they are views of.
double DebugInfo::mean_of(const graph::Graph& graph, int value) const {
  if (const auto it = means_.find(value); it != means_.end()) return it->second;
  const graph::ValueInfo& info = graph.values[static_cast<size_t>(value)];
  if (info.kind != graph::ValueKind::kResult) return mean_abs(session_.read(value));
  return mean_of(graph, graph.nodes[static_cast<size_t>(info.producer)].src[0]);
}

void DebugInfo::report_forward() {
  const graph::Graph& graph = session_.graph();
  for (const graph::LayerInfo& layer : graph.layers) {
    for (size_t i = 0; i < layer.tops.size(); ++i)
      reporter_.emit(report::DebugValue{report::DebugValue::kTopData, layer.name, layer.tops[i],
                                        mean_of(graph, layer.top_values[i])});
    for (size_t i = 0; i < layer.params.size(); ++i) {
      const bool named = static_cast<int>(i) < layer.param.param_size() &&
                         !layer.param.param(static_cast<int>(i)).name().empty();
      reporter_.emit(report::DebugValue{
          report::DebugValue::kParamData, layer.name,
          named ? layer.param.param(static_cast<int>(i)).name() : std::to_string(i),
          mean_abs(session_.params().value(static_cast<size_t>(layer.params[i])))});
    }
  }
  means_.clear();
}

void DebugInfo::before_backward() {
  earlier_.assign(session_.params().size(), {});
  if (!session_.separate_gradients()) return;
  for (size_t p = 0; p < earlier_.size(); ++p)
    if (exec::Parameter& param = session_.params()[p]; param.has_gradient())
      earlier_[p] = session_.params().to_plain(p, param.gradient());
}

std::vector<float> DebugInfo::gradient(const graph::Graph& graph, int segment, int value) const {
  if (const auto it = gradients_.find({segment, value}); it != gradients_.end()) return it->second;
  const graph::ValueInfo& info = graph.values[static_cast<size_t>(value)];
  if (info.kind == graph::ValueKind::kConstant)
    return std::vector<float>(static_cast<size_t>(info.shape.count()), info.constant);
  if (info.kind != graph::ValueKind::kResult) return {};
  return gradient(graph, segment, graph.nodes[static_cast<size_t>(info.producer)].src[0]);
}

void DebugInfo::add(std::vector<float>& sum, const std::vector<float>& more) const {
  if (sum.size() < more.size()) sum.resize(more.size(), 0.0f);
  for (size_t i = 0; i < more.size(); ++i) sum[i] += more[i];
}

void DebugInfo::report_layer(const graph::Graph& graph, int index) {
  const graph::LayerInfo& layer = graph.layers[static_cast<size_t>(index)];
  std::map<int, std::vector<float>> own;  // by value
  for (const auto& [value, gradient_value] : layer.contributions)
    add(own[value], gradient(graph, graph.segment_of_layer(index), gradient_value));
  for (const auto& [value, gradient] : own) add(sums_[value], gradient);
  for (size_t i = 0; i < layer.bottoms.size(); ++i) {
    if (!layer.bottom_backward[i]) continue;
    const int value = layer.bottom_values[i];
    // A layer that hands its bottom on as its top adds nothing to what came from above.
    const bool handed_on = std::find(layer.top_values.begin(), layer.top_values.end(), value) !=
                           layer.top_values.end();
    reporter_.emit(report::DebugValue{report::DebugValue::kBottomDiff, layer.name, layer.bottoms[i],
                                      mean_abs(handed_on ? sums_[value] : own[value])});
  }
  for (size_t i = 0; i < layer.params.size(); ++i) {
    if (!layer.param_backward[i]) continue;
    const graph::ParamInfo& param = graph.params[static_cast<size_t>(layer.params[i])];
    std::vector<float> sum = earlier_[static_cast<size_t>(layer.params[i])];
    add(sum, sums_[param.value]);
    reporter_.emit(report::DebugValue{report::DebugValue::kParamDiff, layer.name, std::to_string(i),
                                      mean_abs(sum)});
  }
}

void DebugInfo::report_backward() {
  const std::vector<const plan::Plan*> plans = session_.plans();
  const graph::Graph& last = session_.graph();
  for (int l = static_cast<int>(last.layers.size()) - 1; l >= 0; --l)
    if (last.layers[static_cast<size_t>(l)].backward)
      report_layer(*plans[static_cast<size_t>(last.segment_of_layer(l))]->graph, l);
  report_norms();
  gradients_.clear();
  sums_.clear();
}

void DebugInfo::report_norms() const {
  report::DebugNorms norms;
  double data_squares = 0, diff_squares = 0;
  exec::ParamStore& params = session_.params();
  const auto sum = [](const std::vector<float>& values, double& l1, double& squares) {
    for (const float v : values) {
      l1 += std::abs(v);
      squares += static_cast<double>(v) * v;
    }
  };
  for (size_t p = 0; p < params.size(); ++p) {
    sum(params.value(p), norms.data_l1, data_squares);
    if (params[p].has_gradient())
      sum(params.to_plain(p, params[p].gradient()), norms.diff_l1, diff_squares);
  }
  norms.data_l2 = std::sqrt(data_squares);
  norms.diff_l2 = std::sqrt(diff_squares);
  reporter_.emit(norms);
}

}  // namespace crema::train
