// cache_features: the frozen trunk runs once per sample, and no bit tells.
#include <nlohmann/json.hpp>

#include "program.hpp"

namespace crema::whole {
namespace {

class CacheTest : public ProgramTest {
 protected:
  // The freezing net without augmentation; its epochs do not end with a batch.
  void SetUp() override {
    std::string net = read_file(fixtures + "freeze_net.prototxt", ErrorCode::kData);
    replace(net, "mirror: true crop_size: 24", "");
    replace(net, "count: 200", "count: 101");
    write("net.prototxt", net);
    ASSERT_EQ(train("first", "--set max_iter=4 --set 'param_rule=[]'").code, 0);
  }
  static void replace(std::string& text, const std::string& what, const std::string& by) {
    const size_t at = text.find(what);
    ASSERT_NE(at, std::string::npos) << what;
    text.replace(at, what.size(), by);
  }
  Outcome train(const std::string& prefix, const std::string& more) const {
    return crema("train --solver=" + fixtures +
                 "freeze_solver.prototxt --log=lines --threads=2 --json=" + prefix +
                 ".json --set snapshot_prefix=" + prefix + "/x --set net=net.prototxt " + more);
  }
  Outcome frozen(const std::string& prefix, const std::string& more = "") const {
    return train(prefix,
                 "--weights=first/x_iter_4.caffemodel --set max_iter=40 "
                 "--set 'param_rule={ from: \"conv1\" to: \"scale2\" freeze: ALWAYS }' " +
                     more);
  }
  const std::string memory = "--set cache_features.limit_mb=100 ";
};

TEST_F(CacheTest, the_bits_are_those_of_a_run_without) {
  ASSERT_EQ(frozen("without").code, 0);
  const Outcome run = frozen("kept", memory);
  ASSERT_EQ(run.code, 0) << run.err;
  // The average pool of the frozen blocks; the dropout behind it is drawn anew.
  EXPECT_TRUE(run.says("cache_features: ")) << run.err;
  EXPECT_TRUE(run.says(": 401 numbers for each of 101 samples")) << run.err;
  EXPECT_EQ(bytes("without/x_iter_40.caffemodel") == bytes("kept/x_iter_40.caffemodel"), true);
  ASSERT_EQ(frozen("disk", memory + "--set cache_features.storage=DISK --set "
                                    "cache_features.folder=.")
                .code,
            0);
  EXPECT_EQ(bytes("without/x_iter_40.caffemodel") == bytes("disk/x_iter_40.caffemodel"), true);
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    EXPECT_EQ(entry.path().filename().string().find("crema_features"), std::string::npos);
}

TEST_F(CacheTest, other_engines_and_a_resume_keep_the_bits_too) {
  ASSERT_EQ(frozen("without", "--engines=reference --set max_iter=30").code, 0);
  ASSERT_EQ(frozen("kept", memory + "--engines=reference --set max_iter=30 --set snapshot=17").code,
            0);
  EXPECT_EQ(bytes("without/x_iter_30.caffemodel") == bytes("kept/x_iter_30.caffemodel"), true);
  const Outcome rest = train(
      "rest", memory +
                  "--engines=reference --set max_iter=30 --snapshot=kept/x_iter_17.solverstate "
                  "--set 'param_rule={ from: \"conv1\" to: \"scale2\" freeze: ALWAYS }' ");
  ASSERT_EQ(rest.code, 0) << rest.err;
  EXPECT_EQ(bytes("without/x_iter_30.caffemodel") == bytes("rest/x_iter_30.caffemodel"), true);
}

TEST_F(CacheTest, it_follows_the_freeze_line) {
  const std::string weights = "--weights=first/x_iter_4.caffemodel ";
  ASSERT_EQ(train("without", weights).code, 0);
  const Outcome run = train("kept", weights + memory);
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_TRUE(run.says("cache_features: nothing to keep for now")) << run.err;
  EXPECT_EQ(bytes("without/x_iter_48.caffemodel") == bytes("kept/x_iter_48.caffemodel"), true);
}

TEST_F(CacheTest, it_is_refused_where_it_would_be_wrong_or_of_no_use) {
  std::string text = bytes("net.prototxt");
  replace(text, "scale: 0.00390625", "scale: 0.00390625 mirror: true");
  write("mirror.prototxt", text);
  const Outcome mirror = frozen("no", memory + "--set net=mirror.prototxt");
  EXPECT_EQ(mirror.code, 2);
  EXPECT_TRUE(mirror.says("mirror.prototxt:9:")) << mirror.err;
  EXPECT_TRUE(mirror.says("transform_param.mirror draws anew"));

  const Outcome large = frozen("no", "--set cache_features.limit_mb=0");
  EXPECT_EQ(large.code, 2);
  EXPECT_TRUE(large.says("--set cache_features.limit_mb=0:1:")) << large.err;

  std::string many = bytes("net.prototxt");
  replace(many, "count: 101", "count: 1000");
  write("many.prototxt", many);
  const Outcome full = frozen("no", "--set cache_features.limit_mb=1 --set net=many.prototxt");
  EXPECT_EQ(full.code, 2);
  EXPECT_TRUE(full.says("the features take 2 MB (")) << full.err;

  const Outcome nothing =
      train("no", memory + "--weights=first/x_iter_4.caffemodel --set 'param_rule=[]'");
  EXPECT_EQ(nothing.code, 2);
  EXPECT_TRUE(nothing.says("there is nothing to keep")) << nothing.err;
  EXPECT_TRUE(
      nothing.says("layer 'conv1', the first above the data, is in the way: "
                   "'conv1/weight' learns"))
      << nothing.err;

  const Outcome live =
      train("no", memory +
                      "--weights=first/x_iter_4.caffemodel --set 'param_rule={ match: \"bn1\" "
                      "freeze: ALWAYS bn_stats: LIVE }'");
  EXPECT_EQ(live.code, 2) << live.err;
  EXPECT_EQ(frozen("no", memory + "--plan_skip=freeze").code, 2);
  EXPECT_EQ(frozen("no", memory + "--set cache_features.storage=DISK --set "
                                  "cache_features.folder=/proc/nowhere")
                .code,
            6);
}

}  // namespace
}  // namespace crema::whole
