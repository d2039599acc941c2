// GradientScale: the forward value is the bottom itself; what its factor does to gradients.
#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "engines/reference/engine.hpp"
#include "exec/executor.hpp"

namespace crema::exec {
namespace {

using ::testing::ElementsAre;

class GradientScaleTest : public ::testing::Test {
 protected:
  GradientScaleTest() {
    graph::BuildOptions options;
    options.seeded_blobs = {"y"};
    options.wanted_inputs = {"x"};
    options.schedule = [](const caffe::Schedule& schedule, const config::Places&) {
      return [schedule](int64_t t) {
        return t < static_cast<int64_t>(schedule.point(1).at()) ? schedule.point(0).value()
                                                                : schedule.point(1).value();
      };
    };
    graph_ = std::make_shared<graph::Graph>(graph::build(
        config::with_state(config::read_net(CREMA_TEST_DIR "/exec/nets/gradient_scale.prototxt"),
                           caffe::TRAIN, 0, {}),
        options));
    auto plan = std::make_shared<plan::Plan>(plan::make_plan(graph_, {&engine_}, {}));
    params_ = std::make_shared<ParamStore>(*plan, plan::Engines{&engine_});
    params_->set_value(0, {1, 2, 3, 4, 5, 6});
    run_ = std::make_unique<Executor>(plan, params_, plan::Engines{&engine_});
  }

  // One pass at iteration t with dy = seed everywhere.
  void pass(int64_t t, float seed) {
    seeds_.assign(6, seed);
    for (size_t i = 0; i < graph_->inputs.size(); ++i)
      run_->set_input(i, graph_->inputs[i].name == "x" ? x_ : seeds_);
    run_->forward({1, t, t});
    run_->backward({1, t, t});
  }
  std::vector<float> input_gradient() { return run_->read(graph_->input_gradients.at("x")); }
  std::vector<float> param_gradient() { return params_->to_plain(0, (*params_)[0].gradient()); }

  ReferenceEngine engine_;
  std::shared_ptr<graph::Graph> graph_;
  std::shared_ptr<ParamStore> params_;
  std::unique_ptr<Executor> run_;
  std::vector<float> x_{1, -1, 2, 0.1f, -0.0f, 7}, seeds_;
};

TEST_F(GradientScaleTest, forward_is_the_same_memory) {
  const plan::Plan& plan = run_->plan();
  const auto buffer = [&](const char* blob) {
    return plan.tensors[plan.value_tensors[graph_->find_blob(blob)]].buffer;
  };
  EXPECT_EQ(buffer("reversed"), buffer("m"));
  EXPECT_EQ(buffer("timed"), buffer("m"));
  EXPECT_EQ(plan.buffers[buffer("p_half")].storage, plan::Storage::kParamValue);
  for (int i = 0; i < plan.forward_steps; ++i)
    EXPECT_STRNE(plan.steps[i].op->kind(), "gradient_scale");
  pass(0, 1);
  EXPECT_THAT(run_->read(graph_->find_blob("y")), ElementsAre(2, -4, 12, 0.8f, 0, 84));
}

TEST_F(GradientScaleTest, factors_multiply_add_up_over_branches_and_follow_the_iteration) {
  pass(9, 1);  // dm = -3 dy + 0 dy
  EXPECT_THAT(input_gradient(), ElementsAre(-3, -6, -9, -12, -15, -18));
  EXPECT_THAT(param_gradient(), ElementsAre(-1.5f, 1.5f, -3, -0.15f, 0, -10.5f));
  pass(10, 1);  // dm = -3 dy + 2 dy
  EXPECT_THAT(input_gradient(), ElementsAre(-1, -2, -3, -4, -5, -6));
  EXPECT_THAT(param_gradient(), ElementsAre(-0.5f, 0.5f, -1, -0.05f, 0, -3.5f));
}

TEST_F(GradientScaleTest, a_factor_of_0_is_0_whatever_comes_from_above) {
  pass(0, std::numeric_limits<float>::infinity());
  // -3 times infinity, plus the 0 of the branch that is shut: not NaN.
  for (const float g : input_gradient()) EXPECT_EQ(g, -std::numeric_limits<float>::infinity());
}

}  // namespace
}  // namespace crema::exec
