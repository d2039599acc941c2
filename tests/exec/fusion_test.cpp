// Passes of the plan that fuse: the same numbers, gradients included, with each of them on and off.
#include "exec/net_run.hpp"

namespace crema::exec {
namespace {

constexpr double kTolerance = 2e-4;  // of the largest value of the tensor

const std::set<std::string> kAll = {"copies", "fold", "batch_norm", "post", "concat", "recompute"};

class Fusion : public ::testing::TestWithParam<fs::path> {};

TEST_P(Fusion, on_and_off_agree) {
  for (const caffe::Phase phase : {caffe::TRAIN, caffe::TEST}) {
    SCOPED_TRACE(phase == caffe::TRAIN ? "TRAIN" : "TEST");
    NetRun plain(GetParam(), phase, kAll), fused(GetParam(), phase, {});
    for (int64_t i = 0; i < 2; ++i) expect_near(fused.pass(i), plain.pass(i), kTolerance);
  }
}

TEST_P(Fusion, the_same_bits_twice) {
  NetRun a(GetParam(), caffe::TRAIN, {}), b(GetParam(), caffe::TRAIN, {});
  EXPECT_EQ(a.pass().tensors, b.pass().tensors);
}

INSTANTIATE_TEST_SUITE_P(Nets, Fusion, ::testing::ValuesIn(nets()),
                         [](const auto& test) { return test.param.stem().string(); });

// Some of the nets, each pass alone.
TEST(FusionPasses, each_alone_agrees) {
  for (const char* net : {"residual", "residual_plain", "frozen_statistics", "inception"})
    for (const caffe::Phase phase : {caffe::TRAIN, caffe::TEST}) {
      const fs::path file = std::string(CREMA_TEST_DIR "/exec/nets/") + net + ".prototxt";
      const Result expected = NetRun(file, phase, kAll).pass();
      for (const std::string& skipped : kAll) {
        SCOPED_TRACE(std::string(net) + " without " + skipped);
        expect_near(NetRun(file, phase, {skipped}).pass(), expected, kTolerance);
        std::set<std::string> others = kAll;
        others.erase(skipped);
        expect_near(NetRun(file, phase, others).pass(), expected, kTolerance);
      }
    }
}

TEST(FusionPasses, blobs_that_are_kept_are_not_fused_away) {
  for (const caffe::Phase phase : {caffe::TRAIN, caffe::TEST}) {
    NetRun plain(net_file("frozen_statistics"), phase, kAll, true);
    NetRun fused(net_file("frozen_statistics"), phase, {}, true);
    plain.pass();
    fused.pass();
    for (const char* blob : {"conv1", "bn1", "scale1", "relu1", "bn2", "scale2", "both", "bn3"}) {
      const auto expected = plain.read(blob), got = fused.read(blob);
      ASSERT_EQ(got.size(), expected.size()) << blob;
      for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], expected[i], 1e-3) << blob;
    }
  }
}

#ifdef CREMA_ONEDNN

int count(const Result& result, const std::string& kind) {
  return static_cast<int>(std::count(result.kinds.begin(), result.kinds.end(), kind));
}

TEST(FusionPasses, a_residual_net_trains_with_one_kernel_per_normalisation) {
  const Result fused = NetRun(net_file("residual"), caffe::TRAIN, {"recompute"}).pass();
  EXPECT_EQ(count(fused, "fused_batch_norm"), 2 * 5);
  for (const char* gone : {"batch_norm", "scale", "unary"})
    EXPECT_EQ(count(fused, gone), 0) << gone;
}

TEST(FusionPasses, gradients_of_joined_relus_have_the_same_bits) {
  for (const char* net : {"inception", "side_by_side"}) {
    NetRun apart(net_file(net), caffe::TRAIN, {"concat"}), joined(net_file(net), caffe::TRAIN, {});
    for (int64_t i = 0; i < 2; ++i) EXPECT_EQ(joined.pass(i).tensors, apart.pass(i).tensors) << net;
    EXPECT_EQ(count(apart.pass(), "rectified_concat"), 0);
    EXPECT_GT(count(joined.pass(), "rectified_concat"), 0) << net;
  }
}

TEST(FusionPasses, what_is_computed_again_has_the_same_bits_and_less_memory) {
  for (const char* net : {"residual", "inception", "frozen_statistics"}) {
    NetRun kept(net_file(net), caffe::TRAIN, {"recompute", "concat"});
    NetRun again(net_file(net), caffe::TRAIN, {"concat"});
    for (int64_t i = 0; i < 2; ++i) EXPECT_EQ(again.pass(i).tensors, kept.pass(i).tensors) << net;
    const auto& steps = again.plan().steps;
    EXPECT_GT(steps.size(), kept.plan().steps.size()) << net;
    const auto repeats = std::count_if(steps.begin(), steps.end(), [](const plan::Step& step) {
      return step.part == ops::kAgain;
    });
    EXPECT_EQ(repeats > 0, std::string(net) != "inception") << net;
  }
  EXPECT_LT(NetRun(net_file("residual"), caffe::TRAIN, {}).plan().arena_bytes,
            NetRun(net_file("residual"), caffe::TRAIN, {"recompute"}).plan().arena_bytes);
}

TEST(FusionPasses, a_test_net_has_no_normalisation_left) {
  const Result fused = NetRun(net_file("residual"), caffe::TEST, {}).pass();
  for (const char* gone : {"fused_batch_norm", "batch_norm", "scale", "unary", "eltwise"})
    EXPECT_EQ(count(fused, gone), 0) << gone;
  EXPECT_EQ(count(fused, "fused_convolution"), 4);
  EXPECT_EQ(count(fused, "fold_batch_norm"), 5);
}

TEST(FusionPasses, folded_weights_follow_the_parameters) {
  NetRun net(net_file("residual"), caffe::TEST, {}), fresh(net_file("residual"), caffe::TEST, {});
  NetRun plain(net_file("residual"), caffe::TEST, kAll);
  net.pass();
  EXPECT_GT(net.plan().derived_steps, 0);
  for (NetRun* run : {&net, &fresh, &plain}) {
    std::vector<float> scale = run->params().value(1);
    for (float& v : scale) v *= 1.5f;
    run->params().set_value(1, scale);
  }
  const Result after = net.pass();
  EXPECT_EQ(after.tensors, fresh.pass().tensors);
  expect_near(after, plain.pass(), kTolerance);
}

TEST(FusionPasses, weights_written_by_pointer_count_once_they_are_said_to_have_changed) {
  NetRun net(net_file("residual"), caffe::TEST, {});
  const double before = net.pass().loss;
  float* weights = static_cast<float*>(net.params()[0].value());
  weights[0] += 10;
  EXPECT_EQ(net.pass().loss, before);
  net.params().changed();
  EXPECT_NE(net.pass().loss, before);
}

#endif

}  // namespace
}  // namespace crema::exec
