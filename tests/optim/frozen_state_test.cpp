// What freezing does to an optimizer's state: memory, velocity, step counts.
#include <gmock/gmock.h>

#include "optim/optimizer.hpp"
#include "optim/solver.hpp"

namespace crema::optim {
namespace {

using testing::ElementsAre;

constexpr const char* kMomentum =
    "type: 'SGD' base_lr: 1 lr_policy: 'fixed' momentum: 0.5 clip_gradients: 100";

struct Two {
  std::vector<float> values[2] = {{0, 0}, {0}};
  std::vector<float> gradients[2] = {{3, 4}, {12}};
  // The second one has these freeze times.
  std::vector<Param> params(FreezeTime freeze, bool hold = false) {
    ParamSettings settings;
    settings.freeze = freeze;
    settings.hold_slots = hold;
    return {{"free", values[0], gradients[0], {}}, {"frozen", values[1], gradients[1], settings}};
  }
};

TEST(FrozenState, a_cleared_one_has_no_memory_and_begins_with_zeros) {
  Two two;
  Optimizer optimizer(solver(kMomentum), two.params({0, {}}));
  const size_t both = optimizer.state_bytes();
  Optimizer late(solver(kMomentum), two.params({2, {}}));
  EXPECT_LT(late.state_bytes(), both);
  EXPECT_TRUE(late.slot(0, 1).empty());
  late.update(0);
  late.update(1);
  EXPECT_EQ(two.values[1][0], 0);
  EXPECT_EQ(late.step_count(0), 2);
  late.update(2);
  EXPECT_EQ(late.state_bytes(), both);
  EXPECT_EQ(two.values[1][0], -12) << "the first step has no velocity behind it";
  EXPECT_EQ(late.step_count(1), 1);
  late.update(3);
  EXPECT_EQ(two.values[1][0], -12 - 18);
}

TEST(FrozenState, freezing_clears_the_velocity_or_holds_it) {
  for (const bool hold : {false, true}) {
    Two two;
    std::vector<Param> params = two.params({0, 1}, hold);
    Optimizer optimizer(solver(kMomentum), params);
    optimizer.update(0);
    EXPECT_EQ(two.values[1][0], -12);
    optimizer.update(1);
    EXPECT_EQ(two.values[1][0], -12) << "no coasting";
    EXPECT_EQ(optimizer.slot(0, 1).empty(), !hold);
    if (!hold) {
      EXPECT_EQ(optimizer.step_count(1), 0);
      continue;
    }
    EXPECT_THAT(optimizer.slot(0, 1), ElementsAre(12));
    EXPECT_EQ(optimizer.step_count(1), 1);
  }
}

TEST(FrozenState, the_clip_norm_is_that_of_what_learns) {
  Two two;
  Optimizer optimizer(solver(kMomentum), two.params({1, {}}));
  EXPECT_DOUBLE_EQ(optimizer.update(0).gradient_norm, 5);
  EXPECT_DOUBLE_EQ(optimizer.update(1).gradient_norm, 13);
}

TEST(FrozenState, gradients_may_come_and_go) {
  Two two;
  Optimizer optimizer(solver(kMomentum), two.params({1, {}}));
  optimizer.set_gradient(1, {});
  EXPECT_DOUBLE_EQ(optimizer.update(0).gradient_norm, 5);
  const std::vector<float> moved{24};
  optimizer.set_gradient(1, moved);
  optimizer.update(1);
  EXPECT_EQ(two.values[1][0], -24);
}

// With a step count of its own a late parameter does not overshoot: 1 x rate, not 3.16 x.
TEST(FrozenState, adam_takes_a_first_step_of_one_rate_however_late) {
  Two two;
  Optimizer optimizer(solver("type: 'Adam' base_lr: 0.01 lr_policy: 'fixed' momentum: 0.9"),
                      two.params({1000, {}}));
  for (int64_t t = 0; t <= 1000; ++t) optimizer.update(t);
  EXPECT_NEAR(two.values[1][0], -0.01, 1e-6);
}

TEST(FrozenState, a_state_that_is_prepared_for_a_later_time_fits_it) {
  Two two;
  Optimizer optimizer(solver(kMomentum), two.params({5, {}}));
  EXPECT_TRUE(optimizer.slot(0, 1).empty());
  optimizer.prepare(5);
  EXPECT_THAT(optimizer.slot(0, 1), ElementsAre(0));
}

TEST(FreezeTime, for_good_means_at_every_time) {
  EXPECT_TRUE((FreezeTime{std::numeric_limits<int64_t>::max(), {}}).for_good());
  EXPECT_TRUE((FreezeTime{0, 0}).for_good());
  EXPECT_TRUE((FreezeTime{7, 7}).for_good());
  EXPECT_FALSE((FreezeTime{7, 8}).for_good());
  EXPECT_FALSE((FreezeTime{7, {}}).for_good());
  EXPECT_FALSE((FreezeTime{}).for_good());
}

}  // namespace
}  // namespace crema::optim
