// Finite differences in f64, for every layer type: gradients of inputs and learnable blobs of each
// net in gradients/. A new layer type needs a file named after it there.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "base/random.hpp"
#include "engines/reference/engine.hpp"
#include "exec/session.hpp"

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
    Session::Options session;
    session.planning.dtype = DType::kF64;
    run_ = std::make_unique<Session>(
        [this, net](const NetShapes& shapes) {
          graph::BuildOptions build = options_;
          build.input_shapes = shapes.inputs;
          build.rows = shapes.rows;
          return std::make_shared<const graph::Graph>(graph::build(net, build));
        },
        plan::Engines{&engine_}, std::move(session));
    for (size_t p = 0; p < params().size(); ++p) {
      const graph::ParamInfo& info = run_->graph().params[p];
      params().set_value(p, graph::initial_values(info, 1));
      if (info.state || info.name == "p/value") set_statistics(p);
    }
    fill_inputs();
    forward();
    fill_inputs();  // again, now that the shapes are known that the data decide
  }

  ParamStore& params() { return run_->params(); }

  void fill_inputs() {
    inputs_.clear();
    for (const graph::InputInfo& input : run_->graph().inputs) fill(input);
  }

  // Statistics that are usable: mean 0.3, variance 1.2, factor 1.
  void set_statistics(size_t p) {
    const graph::ParamInfo& info = run_->graph().params[p];
    const double number = info.name.ends_with("mean")       ? 0.3
                          : info.name.ends_with("variance") ? 1.2
                                                            : 1.0;
    double* values = static_cast<double*>(params()[p].value());
    std::fill_n(values, info.shape.count(), number);
  }

  // Distinct values with gaps of more than two steps and none near 0, so that no maximum and no
  // ReLU changes its mind; multiples of the step's square, so that a step in f32 is exact.
  void fill(const graph::InputInfo& input) {
    const int64_t n = run_->graph().values[input.value].shape.count();
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

  double forward() {
    for (size_t i = 0; i < inputs_.size(); ++i) run_->set_input(i, inputs_[i]);
    for (CarriedState& state : *run_->carried())  // what every pass finds
      for (size_t i = 0; i < state.values.size(); ++i)
        state.values[i] = 0.25f * static_cast<float>(i % 5) - 0.5f;
    return run_->forward(step_);
  }

  // The objective whose gradient backward() computes: weighted loss plus seeds times outputs.
  double objective() {
    double sum = forward();
    const graph::Graph& graph = run_->graph();
    for (const std::string& blob : options_.seeded_blobs) {
      const auto seed = std::find_if(graph.inputs.begin(), graph.inputs.end(),
                                     [&](const auto& i) { return i.name == "d(" + blob + ")"; });
      const std::vector<float>& weights = inputs_[seed - graph.inputs.begin()];
      const std::vector<double> out = run_->read_f64(graph.find_blob(blob));
      CREMA_CHECK(out.size() == weights.size(), "a seed of another shape");
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
  std::unique_ptr<Session> run_;
  std::vector<std::vector<float>> inputs_;
  ops::StepInfo step_{3, 5, 7};
  double largest_ = 0;
};

TEST_P(GradientTest, agrees_with_finite_differences) {
  objective();
  run_->backward(step_);
  std::vector<std::vector<double>> input_gradients(inputs_.size()), param_gradients;
  const graph::Graph& graph = run_->graph();
  for (size_t i = 0; i < inputs_.size(); ++i)
    input_gradients[i] = run_->input_gradient_f64(graph.inputs[i].name);
  for (size_t p = 0; p < params().size(); ++p) {
    const int64_t n = graph.params[p].shape.count();
    const double* g = static_cast<const double*>(params()[p].gradient());
    param_gradients.emplace_back(g, g + n);
  }
  std::vector<std::string> names;  // the graph goes with the next pass
  for (const graph::InputInfo& input : graph.inputs) names.push_back(input.name);
  const std::vector<graph::ParamInfo> param_infos = graph.params;
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
                      names[i] + "[" + std::to_string(k) + "]");
    }
  for (size_t p = 0; p < params().size(); ++p) {
    if (param_infos[p].state) continue;
    double* values = static_cast<double*>(params()[p].value());
    for (size_t k = 0; k < param_gradients[p].size(); ++k, ++checked) {
      const double kept = values[k];
      values[k] = kept + kStep;
      const double high = objective();
      values[k] = kept - kStep;
      const double low = objective();
      values[k] = kept;
      expect_gradient(param_gradients[p][k], (high - low) / (2 * kStep),
                      param_infos[p].name + "[" + std::to_string(k) + "]");
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
