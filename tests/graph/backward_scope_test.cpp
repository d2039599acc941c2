// Which layers run backward, and the reasons that `explain` prints.
#include <gtest/gtest.h>

#include "graph/graph.hpp"
#include "ops/statistics.hpp"

namespace crema::graph {
namespace {

Graph build_file(const std::string& name, const std::vector<std::string>& stages = {},
                 bool force_backward = false) {
  config::NetConfig net = config::with_state(
      config::read_net(CREMA_TEST_DIR "/graph/" + name + ".prototxt"), caffe::TRAIN, 0, stages);
  net.header.set_force_backward(force_backward);
  return build(net, {});
}

const LayerInfo& layer(const Graph& graph, const std::string& name) {
  return graph.layers.at(static_cast<size_t>(graph.find_layer(name)));
}

int backward_nodes(const Graph& graph, const std::string& name) {
  int count = 0;
  for (size_t n = static_cast<size_t>(graph.forward_nodes); n < graph.nodes.size(); ++n)
    count += graph.nodes[n].layer == graph.find_layer(name);
  return count;
}

TEST(GradientScale, a_factor_of_0_ends_the_backward_pass) {
  const Graph graph = build_file("gradient_stop");
  for (const char* below : {"deep", "act", "stop", "smooth"}) {
    EXPECT_FALSE(layer(graph, below).backward) << below;
    EXPECT_EQ(backward_nodes(graph, below), 0) << below;
  }
  EXPECT_GT(backward_nodes(graph, "head"), 0);
  EXPECT_EQ(layer(graph, "deep").backward_reason, "layer 'stop' cuts off everything above it");
  EXPECT_EQ(layer(graph, "act").backward_reason, "layer 'stop' cuts off everything above it");
  EXPECT_EQ(layer(graph, "stop").backward_reason, "it stops the gradient to 'act'");
  EXPECT_EQ(graph.params[0].name, "deep/weight");
  EXPECT_EQ(graph.params[0].gradient, kNone);
}

TEST(GradientScale, a_factor_of_0_stops_one_branch_only) {
  const Graph graph = build_file("gradient_stop", {"side"});
  EXPECT_TRUE(layer(graph, "deep").backward);
  EXPECT_TRUE(layer(graph, "act").backward);
  EXPECT_EQ(backward_nodes(graph, "stop"), 0);
  EXPECT_NE(graph.params[0].gradient, kNone);
}

TEST(GradientScale, force_backward_does_not_pass_a_factor_of_0) {
  const Graph graph = build_file("gradient_stop", {}, true);
  EXPECT_EQ(backward_nodes(graph, "stop"), 0);
  EXPECT_EQ(graph.params[0].gradient, kNone);
  EXPECT_GT(backward_nodes(graph, "smooth"), 0) << "what lies above is forced";
}

// The graph of freezing.prototxt with some parameters frozen, for now or for good.
Graph frozen(const std::vector<std::string>& names, bool for_good = false, bool whole = false) {
  BuildOptions options;
  options.whole_backward = whole;
  for (const std::string& name : names)
    options.choices[name] = {.frozen = true, .frozen_for_good = for_good};
  return build(config::with_state(config::read_net(CREMA_TEST_DIR "/graph/freezing.prototxt"),
                                  caffe::TRAIN, 0, {}),
               options);
}

const std::vector<std::string> kTrunk{"conv/weight", "conv/bias", "bn/mean", "bn/variance",
                                      "bn/factor"};

const ParamInfo& param(const Graph& graph, const std::string& name) {
  for (const ParamInfo& each : graph.params)
    if (each.name == name) return each;
  throw LogicError("no parameter " + name);
}

const ops::BatchNorm& batch_norm(const Graph& graph) {
  for (const Node& node : graph.nodes)
    if (const auto* op = dynamic_cast<const ops::BatchNorm*>(node.op.get())) return *op;
  throw LogicError("no BatchNorm");
}

TEST(Freezing, ends_the_backward_pass_at_the_freeze_line) {
  const Graph graph = frozen(kTrunk);
  for (const char* below : {"conv", "bn", "pool"}) {
    EXPECT_EQ(backward_nodes(graph, below), 0) << below;
    EXPECT_TRUE(layer(graph, below).trainable) << "kernels stay those of training";
  }
  EXPECT_EQ(backward_nodes(graph, "mid"), 1) << "no gradient towards the trunk";
  EXPECT_EQ(layer(graph, "conv").backward_reason, "frozen, and nothing below it learns");
  EXPECT_EQ(param(graph, "conv/weight").gradient, kNone);
  EXPECT_NE(param(graph, "mid/weight").gradient, kNone);
}

TEST(Freezing, a_frozen_layer_above_one_that_learns_passes_the_gradient_on) {
  const Graph graph = frozen({"mid/weight", "mid/bias"});
  EXPECT_EQ(backward_nodes(graph, "mid"), 1) << "towards its bottom alone";
  EXPECT_EQ(param(graph, "mid/weight").gradient, kNone);
  EXPECT_NE(param(graph, "conv/weight").gradient, kNone);
}

TEST(Freezing, statistics_of_a_frozen_batch_norm_are_used_and_kept) {
  EXPECT_FALSE(batch_norm(frozen({})).use_global);
  EXPECT_FALSE(batch_norm(frozen({"conv/weight", "conv/bias"})).use_global);
  EXPECT_TRUE(batch_norm(frozen(kTrunk)).use_global);
  BuildOptions live;
  for (const std::string& name : kTrunk)
    live.choices[name] = {.frozen = true, .live_statistics = true};
  EXPECT_FALSE(batch_norm(build(config::with_state(
                                    config::read_net(CREMA_TEST_DIR "/graph/freezing.prototxt"),
                                    caffe::TRAIN, 0, {}),
                                live))
                   .use_global);
}

TEST(Freezing, a_blob_that_rests_for_now_leaves_the_kernel_of_its_layer_as_it_is) {
  const auto parts = [](const Graph& graph) {
    int wanted = 0;
    for (size_t n = static_cast<size_t>(graph.forward_nodes); n < graph.nodes.size(); ++n)
      if (graph.nodes[n].layer == graph.find_layer("mid"))
        for (const int gradient : graph.nodes[n].diff_src) wanted += gradient != kNone;
    return wanted;
  };
  EXPECT_EQ(parts(frozen({})), 3);
  EXPECT_EQ(parts(frozen({"mid/weight"})), 3) << "computed beside the bias, and dropped";
  EXPECT_EQ(param(frozen({"mid/weight"}), "mid/weight").gradient, kNone);
  EXPECT_EQ(parts(frozen({"mid/weight"}, true)), 2) << "for good: not computed";
  EXPECT_EQ(parts(frozen({"mid/weight"}, true, true)), 2) << "... whatever is skipped";
}

TEST(Freezing, the_whole_backward_pass_is_there_for_comparison) {
  const Graph all = frozen({}), whole = frozen(kTrunk, false, true),
              good = frozen(kTrunk, true, true);
  EXPECT_EQ(whole.nodes.size(), all.nodes.size());
  EXPECT_EQ(good.nodes.size(), all.nodes.size());
  EXPECT_NE(param(whole, "conv/weight").gradient, kNone);
  EXPECT_TRUE(batch_norm(whole).use_global) << "statistics are frozen all the same";
}

}  // namespace
}  // namespace crema::graph
