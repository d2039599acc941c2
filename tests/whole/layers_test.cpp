// crema layers and crema upgrade, and what README says of them.
#include <sstream>

#include "program.hpp"

namespace crema::whole {
namespace {

class LayersTest : public ProgramTest {
 protected:
  // The first words of the lines of the table.
  std::vector<std::string> types() const {
    std::vector<std::string> out;
    std::istringstream lines(crema("layers").out);
    std::string line;
    std::getline(lines, line);  // the heading
    while (std::getline(lines, line)) out.push_back(line.substr(0, line.find(' ')));
    return out;
  }
};

TEST_F(LayersTest, readme_has_the_table_of_layer_types) {
  const Outcome table = crema("layers");
  ASSERT_EQ(table.code, 0) << table.err;
  const std::string readme = read_file(CREMA_SOURCE_DIR "/README.md", ErrorCode::kData);
  EXPECT_NE(readme.find("```text\n" + table.out + "```"), std::string::npos)
      << "write it there with: ./run table\n"
      << table.out;
}

TEST_F(LayersTest, every_type_and_setting_is_explained) {
  const std::vector<std::string> names = types();
  ASSERT_GT(names.size(), 40u);
  std::string all;
  for (const std::string& name : names) {
    const Outcome one = crema("layers " + name);
    EXPECT_EQ(one.code, 0) << one.err;
    EXPECT_TRUE(one.out.starts_with(name + "   bottoms: ")) << one.out;
    EXPECT_NE(one.out.find("\n  "), std::string::npos) << name << " has no shapes";
    all += one.out;
  }
  // Settings that no type shows would be known to nobody.
  const std::string proto = read_file(CREMA_SOURCE_DIR "/proto/net.proto", ErrorCode::kData);
  std::istringstream words(proto.substr(proto.find("message LayerParameter")));
  for (std::string word; words >> word;) {
    if (!word.ends_with("_param")) continue;
    const bool later = word == "python_param" || word == "image_data_param" ||
                       word == "window_data_param";  // types that are not there
    EXPECT_TRUE(later || all.find("\n" + word + "\n") != std::string::npos) << word;
  }
}

TEST_F(LayersTest, one_type_shows_settings_with_defaults_and_comments) {
  const Outcome conv = crema("layers Convolution");
  for (const char* text : {"num_output", "repeated uint32", "bool = true", "output channels, > 0",
                           "weight (K, C/group", "group divides C and K", "FillerParameter\n",
                           "gaussian: standard deviation, > 0", "FAN_IN (f = fan_in)"})
    EXPECT_TRUE(conv.says(text)) << text << "\n" << conv.out;
  EXPECT_TRUE(crema("layers LSTM").says("cont (T, N)")) << "what several types share is shown";
  const Outcome data = crema("layers Data");
  EXPECT_TRUE(data.says("\ntransform_param\n")) << data.out;
  EXPECT_FALSE(crema("layers HDF5Data").says("\ntransform_param\n"));
  const Outcome typo = crema("layers Convolutoin");
  EXPECT_EQ(typo.code, 1);
  EXPECT_TRUE(typo.says("did you mean 'Convolution'?")) << typo.err;
}

class UpgradeTest : public ProgramTest {
 protected:
  const std::string good = CREMA_TEST_DIR "/config/good/";
  const std::string nets = CREMA_TEST_DIR "/goldens/nets/";
};

TEST_F(UpgradeTest, a_text_of_the_first_format) {
  const Outcome run = crema("upgrade " + good + "v0_image_net.prototxt new.prototxt");
  ASSERT_EQ(run.code, 0) << run.err;
  const std::string text = bytes("new.prototxt");
  EXPECT_NE(text.find("type: \"Convolution\""), std::string::npos);
  EXPECT_EQ(text.find("padding"), std::string::npos);
  const Outcome again = crema("upgrade --in=new.prototxt --out=new.prototxt");
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_TRUE(again.says("was in its present form")) << again.err;
  EXPECT_EQ(bytes("new.prototxt"), text);
}

TEST_F(UpgradeTest, a_binary_net_of_the_second_format_keeps_its_weights) {
  const Outcome run = crema("upgrade " + nets + "v1_train.v1.caffemodel new.caffemodel");
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_TRUE(crema("upgrade new.caffemodel again.caffemodel").says("was in its present form"));
  EXPECT_EQ(bytes("new.caffemodel"), bytes("again.caffemodel"));
  // The same weights in the old file and the new one.
  const auto loaded = [&](const std::string& file) {
    write("net.prototxt", read_file(fixtures + "v1_weights.prototxt", ErrorCode::kData));
    const Outcome test = crema("test --model=net.prototxt --iterations=1 --weights=" + file);
    EXPECT_EQ(test.code, 0) << test.err;
    const size_t at = test.err.find("Loss: ");
    return at == std::string::npos ? test.err : test.err.substr(at, test.err.find('\n', at) - at);
  };
  EXPECT_EQ(loaded("new.caffemodel"), loaded(nets + "v1_train.v1.caffemodel"));
}

TEST_F(UpgradeTest, what_cannot_be_carried_over_is_listed_and_gives_code_2) {
  const Outcome run = crema("upgrade " + good + "v0_every_field.prototxt new.prototxt");
  EXPECT_EQ(run.code, 2);
  EXPECT_TRUE(run.says("v0_every_field.prototxt:")) << run.err;
  EXPECT_TRUE(std::filesystem::exists(folder / "new.prototxt"));
}

TEST_F(UpgradeTest, wrong_use) {
  EXPECT_EQ(crema("upgrade").code, 1);
  EXPECT_EQ(crema("upgrade a").code, 1);
  EXPECT_EQ(crema("upgrade a b c").code, 1);
  EXPECT_EQ(crema("upgrade a b --out=c").code, 1);
  EXPECT_EQ(crema("upgrade none.prototxt b").code, 2);
  write("bad.prototxt", "layers { layer { name: \"x\" type: \"convv\" } }\n");
  const Outcome bad = crema("upgrade bad.prototxt b");
  EXPECT_EQ(bad.code, 2);
  EXPECT_TRUE(bad.says("bad.prototxt:1:")) << bad.err;
  write("cut.caffemodel",
        read_file(nets + "v1_train.v1.caffemodel", ErrorCode::kData).substr(0, 300));
  EXPECT_EQ(crema("upgrade cut.caffemodel b").code, 7);
  EXPECT_FALSE(std::filesystem::exists(folder / "b")) << "nothing is written after a mistake";
  EXPECT_EQ(crema("upgrade " + good + "v1_train.prototxt /proc/nowhere/b").code, 6);
}

}  // namespace
}  // namespace crema::whole
