// Old definitions as graphs: the number of their parameters, and what became of their settings.
#include <gtest/gtest.h>

#include "graph/graph.hpp"

namespace crema::graph {
namespace {

Graph build_good(const std::string& name, caffe::Phase phase) {
  BuildOptions options;
  options.backward = phase == caffe::TRAIN;
  options.source_types = {"Data"};
  options.source_shapes =
      [](const config::LayerConfig& layer) -> std::optional<std::vector<Shape>> {
    if (layer.param.type() != "Data") return std::nullopt;
    const int64_t batch = layer.param.data_param().batch_size();
    const int64_t crop = layer.param.transform_param().crop_size();
    return std::vector<Shape>{{batch, 3, crop, crop}, {batch}};
  };
  const config::NetConfig net =
      config::read_net(CREMA_TEST_DIR "/config/good/" + name + ".prototxt");
  return build(config::with_state(net, phase, 0, {"val"}), options);
}

int64_t parameters(const Graph& graph) {
  int64_t out = 0;
  for (const ParamInfo& param : graph.params) out += param.shape.count();
  return out;
}

// CaffeNet has 60,965,224 parameters.
TEST(LegacyNet, OfTheFirstFormat) {
  const Graph graph = build_good("v0_image_net", caffe::TEST);
  EXPECT_EQ(parameters(graph), 60965224);
  EXPECT_EQ(graph.find_layer("pad2"), kNone) << "padding layers are folded away";
  EXPECT_EQ(graph.layers.at(static_cast<size_t>(graph.find_layer("conv2"))).bottoms.at(0), "norm1");
  ASSERT_EQ(graph.outputs.size(), 1u);
  EXPECT_EQ(graph.values.at(static_cast<size_t>(graph.outputs[0].value)).shape, Shape({1, 1000}));
  EXPECT_EQ(graph.params.at(1).lr_mult, 2);
  EXPECT_EQ(graph.params.at(1).decay_mult, 0);
}

TEST(LegacyNet, OfTheSecondFormat) {
  const Graph train = build_good("v1_image_net", caffe::TRAIN);
  EXPECT_EQ(parameters(train), 8 * 3 * 9 + 8 + 4 * 8 * 24 * 24 + 4) << "shared ones count once";
  EXPECT_EQ(train.layers.at(0).param.transform_param().scale(), 0.5f);
  EXPECT_EQ(train.layers.at(0).param.transform_param().mean_file(), "mean.binaryproto");
  EXPECT_EQ(train.params.at(3).lr_mult, 0);
  EXPECT_EQ(train.find_layer("accuracy"), kNone);
  const Graph test = build_good("v1_image_net", caffe::TEST);
  EXPECT_NE(test.find_layer("accuracy"), kNone);
  EXPECT_EQ(test.layers.at(0).param.data_param().source(), "val_leveldb");
}

}  // namespace
}  // namespace crema::graph
