// Which steps are a frozen trunk, and which of their results others read.
#include "plan/trunk.hpp"

#include <gmock/gmock.h>

#include "engines/reference/engine.hpp"

namespace crema::plan {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

class TrunkTest : public ::testing::Test {
 protected:
  Trunk trunk(const std::vector<std::string>& frozen, const std::vector<std::string>& stages = {},
              bool force_backward = false) {
    graph::BuildOptions options;
    for (const std::string& layer : frozen)
      for (const char* blob : {"/weight", "/bias", "/mean", "/variance", "/factor"})
        options.choices[layer + blob] = {.frozen = true};
    config::NetConfig net = config::with_state(
        config::read_net(CREMA_TEST_DIR "/plan/trunk.prototxt"), caffe::TRAIN, 0, stages);
    net.header.set_force_backward(force_backward);
    plan_ = make_plan(std::make_shared<graph::Graph>(graph::build(net, options)), {&engine_}, {});
    return find_trunk(plan_, 4);
  }
  // "conv:40": the value and its numbers per sample.
  std::vector<std::string> features(const Trunk& trunk) const {
    std::vector<std::string> out;
    for (const Feature& feature : trunk.features)
      out.push_back(plan_.graph->values[plan_.tensors[feature.tensor].value].name + ":" +
                    std::to_string(feature.row));
    return out;
  }

  ReferenceEngine engine_;
  Plan plan_;
};

TEST_F(TrunkTest, reaches_from_the_data_to_the_first_layer_that_learns) {
  const Trunk found = trunk({"conv", "bn"});
  EXPECT_THAT(features(found), UnorderedElementsAre("pool:16", "label:1"));
  EXPECT_EQ(found.trunk_steps, 4) << "convolution, batch norm, relu, pooling";
  EXPECT_THAT(found.end_reason, HasSubstr("'mid/weight' learns"));
}

TEST_F(TrunkTest, whatever_others_read_is_a_feature) {
  EXPECT_THAT(features(trunk({"conv", "bn", "mid"})), UnorderedElementsAre("all:21", "label:1"));
}

TEST_F(TrunkTest, of_nothing_frozen_is_empty_and_says_why) {
  const Trunk found = trunk({});
  EXPECT_EQ(found.trunk_steps, 0);
  EXPECT_THAT(features(found), ElementsAre());
  EXPECT_EQ(found.end_layer, plan_.graph->find_layer("conv"));
  EXPECT_EQ(found.end_reason, "'conv/weight' learns");
}

TEST_F(TrunkTest, ends_at_statistics_that_are_collected) {
  const Trunk found = trunk({"conv"});
  EXPECT_THAT(features(found), UnorderedElementsAre("conv:64", "label:1"));
  EXPECT_EQ(found.end_layer, plan_.graph->find_layer("bn"));
}

TEST_F(TrunkTest, ends_at_random_numbers) {
  const Trunk found = trunk({"conv", "bn", "mid"}, {"dropout"});
  EXPECT_THAT(features(found), UnorderedElementsAre("pool:16", "label:1"));
  EXPECT_EQ(found.end_layer, plan_.graph->find_layer("drop"));
  EXPECT_THAT(found.end_reason, HasSubstr("dropout"));
}

TEST_F(TrunkTest, ends_where_samples_are_mixed) {
  // The softmax reads two rows of what were four samples; for others they are samples again.
  const Trunk found = trunk({"conv", "bn", "mid"}, {"mixing"});
  EXPECT_EQ(found.end_layer, plan_.graph->find_layer("norm"));
  EXPECT_THAT(features(found), UnorderedElementsAre("pool:16", "all:21", "label:1"));
}

TEST_F(TrunkTest, is_none_where_gradients_are_forced) {
  const Trunk found = trunk({"conv", "bn"}, {}, true);
  EXPECT_EQ(found.trunk_steps, 0);
  EXPECT_THAT(found.end_reason, HasSubstr("a gradient is computed"));
}

}  // namespace
}  // namespace crema::plan
