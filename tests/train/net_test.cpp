// Nets that are fed with data of several sizes.
#include "train/net.hpp"

#include <gmock/gmock.h>

#include "engines/reference/engine.hpp"
#include "proto/blob.pb.h"
#include "support/lmdb.hpp"
#include "train/trainer.hpp"

namespace crema::train {
namespace {

const std::string kHere = CREMA_TEST_DIR "/train/";

// An image of a class: brighter the higher the class, with a pattern of its own size.
std::string image(int height, int width, int label) {
  caffe::Datum out;
  out.set_channels(1);
  out.set_height(height);
  out.set_width(width);
  out.set_label(label);
  for (int i = 0; i < height * width; ++i)
    out.mutable_data()->push_back(static_cast<char>(70 * label + i % 17));
  return out.SerializeAsString();
}

class NetTest : public ::testing::Test {
 protected:
  NetTest() : home_(std::filesystem::current_path()) {
    const std::string name = ::testing::UnitTest::GetInstance()->current_test_info()->name();
    folder_ = std::filesystem::path(::testing::TempDir()) / "crema_net" / name;
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    std::filesystem::current_path(folder_);
    test::write_lmdb("sizes_lmdb", {{"0", image(6, 6, 0)},
                                    {"1", image(9, 5, 1)},
                                    {"2", image(3, 12, 2)},
                                    {"3", image(6, 6, 1)},
                                    {"4", image(9, 5, 0)}});
    context_.engines = {&engine_};
    context_.reporter = &reporter_;
  }
  ~NetTest() override {
    std::filesystem::current_path(home_);
    std::filesystem::remove_all(folder_);
  }

  config::SolverConfig solver(const std::string& prefix, std::vector<std::string> overrides = {}) {
    overrides.push_back("snapshot_prefix=\"" + prefix + "\"");
    return config::read_solver(kHere + "sizes_solver.prototxt", overrides);
  }
  // The weights after training.
  std::vector<float> train(config::SolverConfig config, TrainOptions options = {}) {
    Trainer trainer(std::move(config), std::move(options), context_);
    trainer.run();
    std::vector<float> out;
    for (size_t p = 0; p < trainer.net().params().size(); ++p)
      for (const float v : trainer.net().params().value(p)) out.push_back(v);
    plans_ = trainer.net().session().plans_made();
    return out;
  }

  std::filesystem::path home_, folder_;
  ReferenceEngine engine_;
  report::Reporter reporter_;
  Context context_;
  size_t plans_ = 0;
};

TEST_F(NetTest, trains_on_images_of_several_sizes_and_resumes_exactly) {
  const std::vector<float> whole = train(solver("whole"));
  EXPECT_EQ(plans_, 3u) << "one plan per size";
  train(solver("half", {"max_iter=7"}));
  TrainOptions options;
  options.snapshot = "half_iter_7.solverstate";
  EXPECT_EQ(train(solver("rest"), options), whole);
  EXPECT_EQ(train(solver("threads", {"prefetch_threads=3"})), whole);
}

TEST_F(NetTest, an_image_that_does_not_fit_the_net_is_named_with_its_layer) {
  std::filesystem::remove_all("sizes_lmdb");
  test::write_lmdb("sizes_lmdb", {{"0", image(6, 6, 0)}, {"1", image(2, 6, 1)}});
  try {
    train(solver("x", {"test_interval=100", "test_initialization=false"}));
    FAIL() << "trained on it";
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kData);
    EXPECT_THAT(error.report(), testing::HasSubstr("layer 'conv'"));
    EXPECT_THAT(error.report(), testing::HasSubstr("'data' of 1x1x2x6"));
  }
}

TEST_F(NetTest, outputs_that_change_their_size_have_no_mean) {
  config::SolverConfig config = solver("x");
  config.test_nets[0] = config::with_state(config.test_nets[0], caffe::TEST, 0, {"with_map"});
  try {
    train(config);
    FAIL() << "averaged";
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kData);
    EXPECT_THAT(error.message, testing::HasSubstr("'map' has 64 numbers in one batch and 84"));
    EXPECT_THAT(error.hint, testing::HasSubstr("Silence"));
  }
}

}  // namespace
}  // namespace crema::train
