// The pass views: the same bits with parts in their places and with copies.
#include "exec/net_run.hpp"

namespace crema::exec {
namespace {

int not_copied(const plan::Plan& plan, const std::string& kind) {
  return static_cast<int>(std::count_if(
      plan.steps.begin(), plan.steps.end(),
      [&](const plan::Step& step) { return step.parts_in_place && step.op->kind() == kind; }));
}

class Views : public ::testing::TestWithParam<fs::path> {};

TEST_P(Views, on_and_off_give_the_same_bits) {
  for (const caffe::Phase phase : {caffe::TRAIN, caffe::TEST})
    for (const bool keep_blobs : {false, true})
      for (const char* other : {"recompute", "inplace", "fuse"}) {
        SCOPED_TRACE(std::string(other) + (phase == caffe::TRAIN ? " TRAIN" : " TEST"));
        NetRun copies(GetParam(), phase, {"views", other}, keep_blobs);
        NetRun views(GetParam(), phase, {other}, keep_blobs);
        for (int64_t i = 0; i < 2; ++i) {
          const Result expected = copies.pass(i), got = views.pass(i);
          EXPECT_EQ(got.tensors, expected.tensors);
          EXPECT_EQ(got.loss, expected.loss);
        }
        if (!keep_blobs) continue;
        for (const auto& [name, value] : views.graph().blobs)
          EXPECT_EQ(views.read(name), copies.read(name)) << name;
      }
}

INSTANTIATE_TEST_SUITE_P(Nets, Views, ::testing::ValuesIn(nets()),
                         [](const auto& test) { return test.param.stem().string(); });

TEST(ViewsPass, parts_along_the_first_axis_are_not_copied) {
  NetRun copies(net_file("side_by_side"), caffe::TRAIN, {"views"});
  EXPECT_EQ(not_copied(copies.plan(), "concat") + not_copied(copies.plan(), "slice"), 0);
  NetRun views(net_file("side_by_side"), caffe::TRAIN, {"recompute"});
  EXPECT_EQ(not_copied(views.plan(), "slice"), 2);  // and its gradient
}

TEST(ViewsPass, time_steps_of_recurrent_layers_are_not_copied) {
  NetRun run(net_file("time_steps"), caffe::TRAIN, {});
  EXPECT_EQ(not_copied(run.plan(), "slice"), 2);
  EXPECT_EQ(not_copied(run.plan(), "concat"), 1);  // the other's parts are within a slice's whole
}

}  // namespace
}  // namespace crema::exec
