// Gradients that are not the derivative of the forward pass, because the definition says so.
#include <gtest/gtest.h>

#include <cmath>

#include "engines/reference/engine.hpp"
#include "exec/executor.hpp"

namespace crema::exec {
namespace {

// The gradient of the sum of blob "y" with respect to input "x".
std::vector<float> gradient_of(const std::string& net, std::vector<float> x,
                               graph::BuildOptions options = {}) {
  ReferenceEngine engine;
  options.seeded_blobs = {"y"};
  options.wanted_inputs = {"x"};
  const config::NetConfig config = config::with_state(
      config::read_net(CREMA_TEST_DIR "/exec/nets/" + net + ".prototxt"), caffe::TRAIN, 0, {});
  const auto graph = std::make_shared<graph::Graph>(graph::build(config, options));
  const auto plan = std::make_shared<plan::Plan>(plan::make_plan(graph, {&engine}, {}));
  Executor run(plan, std::make_shared<ParamStore>(*plan, plan::Engines{&engine}), {&engine});
  const std::vector<float> ones(x.size(), 1.0f);
  for (size_t i = 0; i < graph->inputs.size(); ++i)
    run.set_input(i, graph->inputs[i].name == "x" ? x : ones);
  run.forward({});
  run.backward({});
  return run.read(graph->input_gradients.at("x"));
}

TEST(Backward, propagate_down_cuts_one_of_two_uses_of_a_blob) {
  EXPECT_EQ(gradient_of("one_use_cut", {1, 2, 3, 4, 5, 6}), (std::vector<float>{1, 2, 3, 4, 5, 6}))
      << "not twice that";
}

TEST(Backward, layers_in_place_are_differentiated_at_their_own_numbers_or_as_by_bvlc) {
  const std::vector<float> right = gradient_of("relu_then_sigmoid", {-1, 0, 2, -3});
  const auto slope = [](float y) { return y * (1 - y); };
  const float half = slope(0.5f), at_two = slope(1 / (1 + std::exp(-2.0f)));
  EXPECT_EQ(right[0], 0);
  EXPECT_NEAR(right[2], at_two, 1e-6);
  graph::BuildOptions options;
  options.caffe_compat = true;
  const std::vector<float> bvlc = gradient_of("relu_then_sigmoid", {-1, 0, 2, -3}, options);
  for (const size_t i : {0, 1, 3}) EXPECT_NEAR(bvlc[i], half, 1e-6);
  EXPECT_NEAR(bvlc[2], at_two, 1e-6);
}

}  // namespace
}  // namespace crema::exec
