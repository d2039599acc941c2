// The nets of models/ have as many parameters as the published ones.
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <sstream>

#include "base/files.hpp"
#include "base/text.hpp"
#include "config/config.hpp"
#include "data/loader.hpp"
#include "data/synthetic.hpp"
#include "train/inputs.hpp"

namespace crema::train {
namespace {

struct Published {
  int64_t train_val = 0, deploy = 0;
  std::map<std::string, Shape> shapes;  // of samples, by blob
};

// "data:3x64x64,label:1", "-" for none.
std::map<std::string, Shape> parse_shapes(const std::string& text) {
  std::map<std::string, Shape> out;
  if (text == "-") return out;
  for (const std::string& entry : split(text, ',')) {
    const size_t colon = entry.find(':');
    Shape& shape = out[entry.substr(0, colon)];
    for (const std::string& dim : split(entry.substr(colon + 1), 'x'))
      shape.append(std::stoll(dim));
  }
  return out;
}

std::map<std::string, Published> published() {
  std::istringstream table(read_file(CREMA_TEST_DIR "/train/models.tsv", ErrorCode::kData));
  std::map<std::string, Published> out;
  for (std::string line; std::getline(table, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream row(line);
    std::string name, shapes;
    Published counts;
    row >> name >> counts.train_val >> counts.deploy >> shapes;
    EXPECT_FALSE(row.fail()) << line;
    counts.shapes = parse_shapes(shapes);
    out[name] = counts;
  }
  return out;
}

int64_t learned_numbers(const std::string& file, caffe::Phase phase, const Published& row) {
  const config::NetConfig net =
      config::filter(config::with_state(config::read_net(file), phase, 0, {}));
  graph::BuildOptions build;
  build.backward = phase == caffe::TRAIN;
  build.source_shapes = [&](const config::LayerConfig& layer) -> std::optional<std::vector<Shape>> {
    if (!data::is_source(layer.param.type())) return std::nullopt;
    return data::synthetic_shapes(layer, row.shapes);
  };
  int64_t count = 0;
  for (const graph::ParamInfo& param : graph::build(net, build).params)
    if (!param.state) count += param.shape.count();
  return count;
}

TEST(Models, parameter_counts_are_the_published_ones) {
  const auto table = published();
  const std::string models = CREMA_SOURCE_DIR "/models/";
  for (const auto& entry : std::filesystem::directory_iterator(models)) {
    const std::string name = entry.path().filename().string();
    ASSERT_TRUE(table.contains(name)) << "tests/train/models.tsv has no row for " << name;
    const Published& counts = table.at(name);
    const std::string train_val = models + name + "/train_val.prototxt";
    EXPECT_EQ(learned_numbers(train_val, caffe::TRAIN, counts), counts.train_val) << name;
    // The heads that only train count in the test net too, where it holds them.
    EXPECT_EQ(learned_numbers(train_val, caffe::TEST, counts), counts.train_val) << name;
    EXPECT_EQ(learned_numbers(models + name + "/deploy.prototxt", caffe::TEST, counts),
              counts.deploy)
        << name;
  }
}

}  // namespace
}  // namespace crema::train
