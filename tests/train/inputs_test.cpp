// What a run makes of a net's inputs: batch sizes, shapes, random batches.
#include "train/inputs.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "data/loader.hpp"
#include "data/synthetic.hpp"

namespace crema::train {
namespace {

config::NetConfig fixture(const std::string& name) {
  const std::string file = CREMA_TEST_DIR "/train/inputs/" + name + ".prototxt";
  return config::filter(config::with_state(config::read_net(file), caffe::TRAIN, 0, {}));
}

graph::Graph built(const config::NetConfig& net) {
  graph::BuildOptions build;
  build.source_shapes = [](const config::LayerConfig& layer) -> std::optional<std::vector<Shape>> {
    if (!data::is_source(layer.param.type())) return std::nullopt;
    return data::synthetic_shapes(layer, {});
  };
  return graph::build(net, build);
}

std::string shape_of(const graph::Graph& graph, const std::string& blob) {
  const int value = graph.find_blob(blob);
  return value == graph::kNone ? "none" : graph.values[static_cast<size_t>(value)].shape.text();
}

std::vector<float> batch_of(const graph::Graph& graph, const std::string& blob, uint64_t seed = 1) {
  for (const graph::InputInfo& input : graph.inputs)
    if (input.name == blob) return synthetic_batch(graph, input, seed);
  return {};
}

TEST(Inputs, labels_are_in_range_of_their_readers) {
  const graph::Graph graph = built(fixture("labels"));
  // Of two readers the one with fewer classes decides.
  for (const auto& [blob, classes] : {std::pair("pair", 3), {"single", 5}}) {
    const int value = graph.find_blob(blob);
    EXPECT_EQ(graph.index_range(value), classes) << blob;
    std::set<float> seen;
    for (uint64_t seed = 0; seed < 20; ++seed)
      for (const float label : batch_of(graph, blob, seed)) seen.insert(label);
    EXPECT_EQ(seen.size(), static_cast<size_t>(classes)) << blob;
    EXPECT_EQ(*seen.begin(), 0) << blob;
    EXPECT_EQ(*seen.rbegin(), classes - 1) << blob;
  }
  EXPECT_EQ(graph.index_range(graph.find_blob("data")), 0);
  EXPECT_EQ(batch_of(graph, "extra"), std::vector<float>(8, 0.0f)) << "nobody says what it is";
}

TEST(Inputs, other_numbers_are_normal_and_follow_from_seed_and_name) {
  const graph::Graph graph = built(fixture("labels"));
  const std::vector<float> data = batch_of(graph, "data");
  ASSERT_EQ(data.size(), 96u);
  double sum = 0, squares = 0;
  for (const float x : data) sum += x, squares += static_cast<double>(x) * x;
  EXPECT_NEAR(sum / 96, 0, 0.4);
  EXPECT_NEAR(squares / 96, 1, 0.5);
  EXPECT_EQ(batch_of(graph, "data"), data);
  EXPECT_NE(batch_of(graph, "data", 2), data);
}

TEST(Inputs, the_batch_size_of_every_input_can_be_changed) {
  InputOptions options;
  options.batch = 7;
  const graph::Graph graph = built(with_inputs(fixture("batches"), options, false));
  for (const auto& [blob, shape] : {std::pair("glyphs", "7x1x28x28"),
                                    {"label", "7"},
                                    {"a", "7x3x8x8"},
                                    {"b", "7x3x8x8"},
                                    {"dummy", "7x5"},
                                    {"old_dummy", "7x1x2x2"},
                                    {"weights", "4x4"}})
    EXPECT_EQ(shape_of(graph, blob), shape) << blob;
  try {
    with_inputs(fixture("no_batch"), options, false);
    FAIL() << "no layer has a batch size";
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kUsage);
    EXPECT_NE(error.message.find("no layer of the net has a batch size"), std::string::npos);
  }
  EXPECT_NO_THROW(with_inputs(fixture("no_batch"), options, true));
}

TEST(Inputs, shapes_of_samples_can_be_given) {
  InputOptions options;
  options.shapes = {{"b", Shape{1, 5}}};
  const graph::Graph graph = built(with_inputs(fixture("batches"), options, false));
  EXPECT_EQ(shape_of(graph, "a"), "4x3x8x8");
  EXPECT_EQ(shape_of(graph, "b"), "4x1x5");
  options.shapes = {{"dummy", Shape{1}}};
  EXPECT_THROW(with_inputs(fixture("batches"), options, false), Error) << "DummyData has its own";
  EXPECT_NO_THROW(with_inputs(fixture("batches"), options, true));
}

TEST(Inputs, definitions_tell_the_shapes_of_images) {
  const graph::Graph graph = built(fixture("images"));
  for (const auto& [blob, shape] : {std::pair("color", "2x4x227x227"),
                                    {"color_label", "2"},
                                    {"plain", "3x3x32x32"},
                                    {"mnist", "4x1x28x28"},
                                    {"cifar", "5x3x28x28"},
                                    {"glyphs", "6x1x20x20"}})
    EXPECT_EQ(shape_of(graph, blob), shape) << blob;
}

}  // namespace
}  // namespace crema::train
