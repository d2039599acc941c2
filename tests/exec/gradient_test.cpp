// Finite differences in f64, for every layer type: gradients of inputs and learnable blobs of each
// net in gradients/. A new layer type needs a file named after it there.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "base/random.hpp"
#include "engines/reference/engine.hpp"
#include "exec/executor.hpp"

namespace crema::exec {
namespace {

const std::filesystem::path kNets = CREMA_TEST_DIR "/exec/gradients";
constexpr double kStep = 0x1p-10;

std::vector<std::string> net_names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kNets))
    names.push_back(entry.path().stem().string());
  std::sort(names.begin(), names.end());
  return names;
}

layers::Signature signature_of(const graph::LayerInfo& layer) {
  return (*Registry<layers::LayerTag>::instance().find(layer.type))()->signature(layer.param);
}

class GradientTest : public ::testing::TestWithParam<std::string> {
 protected:
  // First pass over the definition without gradients: which inputs and outputs can have one.
  graph::BuildOptions wishes(const config::NetConfig& net) {
    graph::BuildOptions options;
    options.backward = false;
    const graph::Graph graph = graph::build(net, options);
    options.backward = true;
    std::set<int> never;
    for (const graph::LayerInfo& layer : graph.layers)
      for (const int i : signature_of(layer).no_gradient)
        if (layer.type != "Accuracy") never.insert(layer.bottom_values[i]);
    for (const graph::InputInfo& input : graph.inputs)
      if (!never.contains(input.value)) options.wanted_inputs.insert(input.name);
    for (const graph::OutputInfo& output : graph.outputs) {
      const graph::ValueInfo& value = graph.values[output.value];
      if (value.producer == graph::kNone) continue;
      const auto& node = graph.nodes[value.producer];
      const auto smooth = node.op->differentiable_dst();
      const auto at = std::find(node.dst.begin(), node.dst.end(), output.value) - node.dst.begin();
      if (std::find(smooth.begin(), smooth.end(), static_cast<int>(at)) != smooth.end())
        options.seeded_blobs.push_back(output.name);
    }
    return options;
  }

  void SetUp() override {
    config::NetConfig net = config::with_state(
        config::read_net((kNets / (GetParam() + ".prototxt")).string()), caffe::TRAIN, 0, {});
    options_ = wishes(net);
    graph_ = std::make_shared<graph::Graph>(graph::build(net, options_));
    plan::PlanOptions planning;
    planning.dtype = DType::kF64;
    auto plan = std::make_shared<plan::Plan>(plan::make_plan(graph_, {&engine_}, planning));
    params_ = std::make_shared<ParamStore>(*plan, plan::Engines{&engine_});
    for (size_t p = 0; p < params_->size(); ++p) {
      params_->set_value(p, graph::initial_values(graph_->params[p], 1));
      if (graph_->params[p].state || graph_->params[p].name == "p/value") set_statistics(p);
    }
    run_ = std::make_unique<Executor>(plan, params_, plan::Engines{&engine_});
    for (const graph::InputInfo& input : graph_->inputs) fill(input);
  }

  // Statistics that are usable: mean 0.3, variance 1.2, factor 1.
  void set_statistics(size_t p) {
    const double number = graph_->params[p].name.ends_with("mean")       ? 0.3
                          : graph_->params[p].name.ends_with("variance") ? 1.2
                                                                         : 1.0;
    double* values = static_cast<double*>((*params_)[p].value());
    std::fill_n(values, graph_->params[p].shape.count(), number);
  }

  // Distinct values with gaps of more than two steps and none near 0, so that no maximum and no
  // ReLU changes its mind; multiples of the step's square, so that a step in f32 is exact.
  void fill(const graph::InputInfo& input) {
    const int64_t n = graph_->values[input.value].shape.count();
    const Permutation order(RandomStream(1, input.name), static_cast<uint64_t>(n));
    std::vector<float> values(static_cast<size_t>(n));
    for (int64_t i = 0; i < n; ++i) {
      const double place = static_cast<double>(order(static_cast<uint64_t>(i))) + 0.5;
      const double spread = (place * 2.0 / static_cast<double>(n) - 1.0) * 1.4;
      values[i] = input.name.starts_with("label")
                      ? static_cast<float>(i % 3)
                      : static_cast<float>(std::round(spread * 0x1p18) * 0x1p-18);
    }
    // Another grid per input, so that sources of a maximum never tie.
    if (input.name == "z")
      for (float& v : values) v += 0.0068359375f;
    if (input.name == "v")
      for (float& v : values) v -= 0.0068359375f;
    inputs_.push_back(std::move(values));
  }

  // The objective whose gradient backward() computes: weighted loss plus seeds times outputs.
  double objective() {
    for (size_t i = 0; i < inputs_.size(); ++i) run_->set_input(i, inputs_[i]);
    double sum = run_->forward(step_);
    for (const std::string& blob : options_.seeded_blobs) {
      const int value = graph_->find_blob(blob);
      const auto seed = std::find_if(graph_->inputs.begin(), graph_->inputs.end(),
                                     [&](const auto& i) { return i.name == "d(" + blob + ")"; });
      const std::vector<float>& weights = inputs_[seed - graph_->inputs.begin()];
      const plan::Plan& plan = run_->plan();
      CREMA_CHECK(plan.dtype == DType::kF64, "");
      const std::vector<double> out = run_->read_f64(value);
      for (size_t k = 0; k < out.size(); ++k) sum += out[k] * weights[k];
    }
    return sum;
  }

  void expect_gradient(double computed, double numeric, const std::string& what) {
    const double scale = std::max({1.0, std::abs(computed), std::abs(numeric)});
    EXPECT_NEAR(computed, numeric, 2e-4 * scale) << what;
    largest_ = std::max(largest_, std::abs(numeric));
  }

  ReferenceEngine engine_;
  graph::BuildOptions options_;
  std::shared_ptr<graph::Graph> graph_;
  std::shared_ptr<ParamStore> params_;
  std::unique_ptr<Executor> run_;
  std::vector<std::vector<float>> inputs_;
  ops::StepInfo step_{3, 5, 7};
  double largest_ = 0;
};

TEST_P(GradientTest, agrees_with_finite_differences) {
  objective();
  run_->backward(step_);
  std::vector<std::vector<double>> input_gradients(inputs_.size()), param_gradients;
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const auto it = graph_->input_gradients.find(graph_->inputs[i].name);
    if (it != graph_->input_gradients.end()) input_gradients[i] = run_->read_f64(it->second);
  }
  for (size_t p = 0; p < params_->size(); ++p) {
    const int64_t n = graph_->params[p].shape.count();
    const double* g = static_cast<const double*>((*params_)[p].gradient());
    param_gradients.emplace_back(g, g + n);
  }
  int checked = 0;
  for (size_t i = 0; i < inputs_.size(); ++i)
    for (size_t k = 0; k < input_gradients[i].size(); ++k, ++checked) {
      const float kept = inputs_[i][k];
      inputs_[i][k] = kept + static_cast<float>(kStep);
      const double high = objective(), up = inputs_[i][k];
      inputs_[i][k] = kept - static_cast<float>(kStep);
      const double low = objective(), down = inputs_[i][k];
      inputs_[i][k] = kept;
      expect_gradient(input_gradients[i][k], (high - low) / (up - down),
                      graph_->inputs[i].name + "[" + std::to_string(k) + "]");
    }
  for (size_t p = 0; p < params_->size(); ++p) {
    if (graph_->params[p].state) continue;
    double* values = static_cast<double*>((*params_)[p].value());
    for (size_t k = 0; k < param_gradients[p].size(); ++k, ++checked) {
      const double kept = values[k];
      values[k] = kept + kStep;
      const double high = objective();
      values[k] = kept - kStep;
      const double low = objective();
      values[k] = kept;
      expect_gradient(param_gradients[p][k], (high - low) / (2 * kStep),
                      graph_->params[p].name + "[" + std::to_string(k) + "]");
    }
  }
  EXPECT_GT(checked, 0) << "nothing was checked";
  if (GetParam() != "Power_constant") {
    EXPECT_GT(largest_, 1e-3) << "all gradients are zero";
  }
}

INSTANTIATE_TEST_SUITE_P(Nets, GradientTest, ::testing::ValuesIn(net_names()),
                         [](const auto& test) { return test.param; });

TEST(GradientNets, every_layer_type_has_one) {
  const std::vector<std::string> names = net_names();
  for (const std::string& type : Registry<layers::LayerTag>::instance().names())
    EXPECT_TRUE(std::find(names.begin(), names.end(), type) != names.end())
        << "no gradients/" << type << ".prototxt";
}

}  // namespace
}  // namespace crema::exec
