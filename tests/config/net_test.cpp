#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>

#include "base/files.hpp"
#include "base/text.hpp"
#include "config/config.hpp"
#include "config/good.hpp"
#include "config/parse.hpp"

namespace crema::config {
namespace {

using google::protobuf::util::MessageDifferencer;
using testing::ElementsAre;
using testing::HasSubstr;

std::string place(const Location& where) {
  std::ostringstream out;
  out << where.line << ":" << where.column;
  return out.str();
}

std::vector<std::string> names(const NetConfig& net) {
  std::vector<std::string> out;
  for (const LayerConfig& l : net.layers) out.push_back(l.param.name());
  return out;
}

// good/<net>.layers: the state, then the names and types of the layers that BVLC builds in it.
class Recorded : public testing::TestWithParam<std::string> {};

TEST_P(Recorded, LayersAreBvlcs) {
  std::istringstream expected(read_file(kGood + GetParam() + ".layers", ErrorCode::kConfig));
  std::string line;
  std::getline(expected, line);
  std::vector<std::string> state = split(line, ' ');
  const NetConfig net = filter(with_state(read_net(kGood + GetParam() + ".prototxt"),
                                          state[0] == "TRAIN" ? caffe::TRAIN : caffe::TEST,
                                          std::stoi(state[1]), {state.begin() + 2, state.end()}));
  std::vector<std::string> wanted, found;
  while (std::getline(expected, line)) wanted.push_back(line);
  for (const LayerConfig& l : net.layers) {
    found.push_back(l.param.name() + " " + l.param.type());
    EXPECT_EQ(l.param.phase(), net.header.state().phase());
    EXPECT_GT(l.places.at().line, 0) << l.param.name();
  }
  EXPECT_EQ(found, wanted);
}

INSTANTIATE_TEST_SUITE_P(Nets, Recorded,
                         testing::Values("v0_net", "v1_train", "v1_test", "legacy_input_dim",
                                         "legacy_input_two", "rules_test", "rules_test_deploy",
                                         "rules_train_abc", "rules_train_l3",
                                         "rules_train_smooth_l1"),
                         [](const auto& test) { return test.param; });

TEST(Net, HeaderAndLayersAreSeparate) {
  const NetConfig net = read_net(kGood + "train_val.prototxt");
  EXPECT_EQ(net.file, kGood + "train_val.prototxt");
  EXPECT_EQ(net.header.name(), "train_val");
  EXPECT_EQ(net.header.layer_size(), 0);
  EXPECT_EQ(net.layers.size(), 4u);
  EXPECT_TRUE(net.notes.empty());
}

TEST(Net, StateReplacesPhaseAndLevelAndAppendsStages) {
  const NetConfig net =
      with_state(read_net(kGood + "train_val.prototxt"), caffe::TRAIN, 1, {"added"});
  EXPECT_THAT(net.header.state().stage(), ElementsAre("own", "added"));
  EXPECT_THAT(names(filter(net)), ElementsAre("data", "train only", "extra"));
  EXPECT_THAT(names(filter(with_state(net, caffe::TEST, 0, {}))), ElementsAre("data", "test only"));
}

TEST(Net, UnsetStateIsTestAndAnOwnPhaseIsKept) {
  const NetConfig net = filter(parse_net("n",
                                         "layer { type: 'A' } layer { type: 'B' phase: TRAIN } "
                                         "layer { type: 'C' include { phase: TRAIN } }"));
  ASSERT_EQ(net.layers.size(), 2u);
  EXPECT_EQ(net.layers[0].param.phase(), caffe::TEST);
  EXPECT_EQ(net.layers[1].param.phase(), caffe::TRAIN);
}

TEST(Net, EveryNotationIsReadAndPlaced) {
  const NetConfig net = read_net(kGood + "every_notation.prototxt");
  EXPECT_EQ(net.header.name(), "single and double");
  EXPECT_EQ(net.header.state().level(), 16);
  const LayerConfig& conv = layer(net, "conv");
  EXPECT_THAT(conv.param.convolution_param().kernel_size(), ElementsAre(3, 5));
  EXPECT_EQ(conv.param.param_size(), 3);
  EXPECT_EQ(place(net.places.at("state.stage[1]")), "3:50");
  EXPECT_EQ(place(conv.places.at("name")), "5:2");
  EXPECT_EQ(place(conv.places.at("convolution_param.kernel_size")), "6:52");
  EXPECT_EQ(place(conv.places.at("convolution_param.kernel_size[1]")), "6:55");
  EXPECT_EQ(place(conv.places.at("convolution_param.pad[1]")), "6:65");
  EXPECT_EQ(place(conv.places.at("param[1].lr_mult")), "8:28");
  EXPECT_EQ(place(conv.places.at("param[2]")), "9:2");
  // Not in the text: the nearest enclosing block, or the file.
  EXPECT_EQ(place(conv.places.at("convolution_param.group")), "6:2");
  EXPECT_EQ(place(conv.places.at("pooling_param.kernel_size")), "4:1");
  EXPECT_EQ(place(net.places.at("force_backward")), "0:0");
  EXPECT_EQ(net.places.at("force_backward").text(), kGood + "every_notation.prototxt");
  EXPECT_EQ(place(conv.places.inside("convolution_param").at("weight_filler.std")), "7:37");
}

// The outline counts the elements of lists exactly as protobuf does, in every good file.
TEST(Net, OutlineAgreesWithProtobuf) {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kGood)) {
    const std::string file = entry.path().string();
    if (!file.ends_with(".prototxt") || file.find("/solver_") != std::string::npos) continue;
    ++files;
    const auto source =
        std::make_shared<const SourceText>(SourceText{file, read_file(file, ErrorCode::kConfig)});
    caffe::NetParameter net;
    const Parsed parsed = parse_text(source, source->text, net);
    EXPECT_TRUE(parsed.mistakes.empty()) << file;
    EXPECT_TRUE(parsed.outline.mistakes.empty()) << parsed.outline.mistakes[0].report();
    Places::Index index;
    index_fields(parsed.outline, parsed.outline.fields, net.GetDescriptor(), {}, index);
    const auto count = [&](const std::string& list) {
      int n = 0;
      while (index.entries.count(element_path(list, n))) ++n;
      return n;
    };
    EXPECT_EQ(count("layer"), net.layer_size());
    EXPECT_EQ(count("layers"), net.layers_size());
    for (int i = 0; i < net.layer_size(); ++i) {
      EXPECT_EQ(count(element_path("layer", i) + ".bottom"), net.layer(i).bottom_size());
      EXPECT_EQ(count(element_path("layer", i) + ".param"), net.layer(i).param_size());
    }
  }
  EXPECT_GE(files, 15);
}

TEST(Net, ResolvedTextIsReadAsTheSame) {
  for (const char* file : {"v0_every_field", "v1_every_kind", "legacy_input_two", "rules_train_abc",
                           "every_notation", "batch_norm_old"}) {
    const NetConfig net = read_net(kGood + file + ".prototxt");
    const NetConfig again = parse_net("again", to_text(net));
    EXPECT_TRUE(MessageDifferencer::Equals(net.header, again.header)) << file;
    ASSERT_EQ(net.layers.size(), again.layers.size()) << file;
    for (size_t i = 0; i < net.layers.size(); ++i)
      EXPECT_TRUE(MessageDifferencer::Equals(net.layers[i].param, again.layers[i].param))
          << net.layers[i].param.name();
  }
}

TEST(Net, TextKeepsNonAsciiNames) {
  const NetConfig net = parse_net("n", "name: 'größe' layer { type: 'A' }");
  EXPECT_THAT(to_text(net), HasSubstr("größe"));
  EXPECT_EQ(parse_net("n", to_text(net)).header.name(), net.header.name());
}

TEST(Net, SettingsThatNothingReadsAreNoted) {
  std::string got;
  for (const Note& note : unread_settings(read_net(kGood + "unread_settings.prototxt")))
    got += std::to_string(note.location.line) + " " + note.message + "\n";
  EXPECT_EQ(got,
            "6 layer 'data': scale has no effect in data_param; write it in transform_param\n"
            "6 layer 'data': mirror has no effect in data_param; write it in transform_param\n"
            "6 layer 'data': rand_skip has no effect in data_param\n"
            "15 layer 'images': crop_size has no effect in image_data_param; write it in "
            "transform_param\n");
  EXPECT_TRUE(unread_settings(read_net(kGood + "v1_every_kind.prototxt")).empty())
      << "an upgrade moves them";
}

TEST(Rules, BothKindsAreAnError) {
  LayerConfig both;
  both.param.add_include();
  both.param.add_exclude();
  EXPECT_THROW(included(both, {}), Error);
}

TEST(Rules, AnEmptyRuleIsAlwaysMet) {
  LayerConfig always, never;
  always.param.add_include();
  never.param.add_exclude();
  EXPECT_TRUE(included(always, {}));
  EXPECT_FALSE(included(never, {}));
}

}  // namespace
}  // namespace crema::config
