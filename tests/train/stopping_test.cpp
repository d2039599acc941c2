// The table of README: what still moves a parameter whose gradient is kept from it.
#include <gtest/gtest.h>

#include "engines/reference/engine.hpp"
#include "train/trainer.hpp"

namespace crema::train {
namespace {

class StoppingTest : public ::testing::Test {
 protected:
  StoppingTest() {
    context_.engines = {&engine_};
    context_.reporter = &reporter_;
  }

  // x at the start and after each of the four updates.
  std::vector<double> run(const std::vector<std::string>& overrides) {
    std::vector<double> x{1};
    Trainer* running = nullptr;
    TrainOptions options;
    options.after_update = [&](int64_t, double, double) {
      x.push_back(running->net().params().value(0)[0]);
    };
    Trainer trainer(
        config::read_solver(CREMA_TEST_DIR "/train/stopping_solver.prototxt", overrides), options,
        context_);
    running = &trainer;
    computed_ = trainer.net().graph().params[0].gradient != graph::kNone;
    trainer.run();
    return x;
  }
  // What decay alone makes of x: h = 0.5 h + 0.1 * 0.25 x.
  static std::vector<double> decayed() {
    std::vector<double> x{1};
    double h = 0;
    for (int t = 0; t < 4; ++t) x.push_back(x.back() - (h = 0.5 * h + 0.025 * x.back()));
    return x;
  }
  static void expect_near(const std::vector<double>& a, const std::vector<double>& b) {
    ASSERT_EQ(a.size(), b.size());
    for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-6) << i;
  }

  ReferenceEngine engine_;
  report::Reporter reporter_;
  Context context_;
  bool computed_ = false;  // a gradient node for x
};

TEST_F(StoppingTest, nothing_moves_what_is_frozen_or_has_lr_mult_0) {
  const std::vector<double> still(5, 1.0);
  EXPECT_EQ(run({"param_rule={ match: \"x\" freeze: ALWAYS }"}), still);
  EXPECT_FALSE(computed_);
  EXPECT_EQ(run({"param_rule={ match: \"x\" lr_mult: 0 }"}), still);
  EXPECT_FALSE(computed_);
}

TEST_F(StoppingTest, decay_moves_what_no_gradient_reaches) {
  expect_near(run({"train_state={ stage: \"factor_0\" }"}), decayed());
  EXPECT_FALSE(computed_);
  expect_near(run({"train_state={ stage: \"cut\" }"}), decayed());
  EXPECT_FALSE(computed_);
}

TEST_F(StoppingTest, a_multiplier_that_becomes_0_lets_the_velocity_run_out_and_freezing_does_not) {
  const std::vector<double> mult = run(
      {"param_rule={ match: \"x\" lr_mult_schedule { interpolation: STEP point { at: 0 value: 1 } "
       "point { at: 2 value: 0 } } }"});
  EXPECT_TRUE(computed_);
  EXPECT_NEAR(mult[3] - mult[2], (mult[2] - mult[1]) / 2, 1e-6);
  EXPECT_NEAR(mult[4] - mult[3], (mult[2] - mult[1]) / 4, 1e-6);
  const std::vector<double> frozen = run({"param_rule={ match: \"x\" freeze_from: 2 }"});
  EXPECT_EQ(frozen[2], mult[2]);
  EXPECT_EQ(frozen[3], frozen[2]);
  EXPECT_EQ(frozen[4], frozen[2]);
}

TEST_F(StoppingTest, a_gradient_factor_that_becomes_0_leaves_velocity_and_decay) {
  const std::vector<double> x = run({"train_state={ stage: \"schedule_0\" }"});
  EXPECT_TRUE(computed_);
  const std::vector<double> free = run({});
  EXPECT_EQ(x[2], free[2]) << "the first half of the run";
  EXPECT_NE(x[3], free[3]);
  EXPECT_NEAR(x[3] - x[2], (x[2] - x[1]) / 2 - 0.025 * x[2], 1e-6);
  EXPECT_NEAR(x[4] - x[3], (x[3] - x[2]) / 2 - 0.025 * x[3], 1e-6);
}

}  // namespace
}  // namespace crema::train
