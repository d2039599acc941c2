// The policies that BVLC does not have, against their formulas written a second time.
#include <gmock/gmock.h>

#include <cmath>
#include <numbers>

#include "optim/policy.hpp"
#include "optim/solver.hpp"

namespace crema::optim {
namespace {

using std::numbers::pi;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(Policy, linear) {
  const auto p = policy("base_lr: 0.5 lr_policy: 'linear' max_iter: 100");
  for (int64_t t = 0; t < 100; ++t) EXPECT_NEAR(p->rate(t), 0.005 * (100 - t), 1e-15) << t;
  EXPECT_EQ(p->rate(100), 0);
  EXPECT_EQ(p->rate(1000), 0);
  const auto floor = policy("base_lr: 0.5 lr_policy: 'linear' max_iter: 100 min_lr: 0.25");
  for (int64_t t = 0; t < 100; ++t) EXPECT_NEAR(floor->rate(t), 0.5 - 0.0025 * t, 1e-15) << t;
  EXPECT_EQ(floor->rate(1000), 0.25);
}

TEST(Policy, cosine) {
  const auto p = policy("base_lr: 0.5 lr_policy: 'cosine' max_iter: 90");
  EXPECT_EQ(p->rate(0), 0.5);
  EXPECT_NEAR(p->rate(30), 0.375, 1e-15);  // cos 60 degrees = 1/2
  EXPECT_NEAR(p->rate(45), 0.25, 1e-15);
  EXPECT_NEAR(p->rate(60), 0.125, 1e-15);
  EXPECT_NEAR(p->rate(90), 0, 1e-15);
  EXPECT_NEAR(p->rate(200), 0, 1e-15);
  for (int64_t t = 0; t < 90; ++t) EXPECT_NEAR(p->rate(t) + p->rate(90 - t), 0.5, 1e-15) << t;
  EXPECT_THAT(p->boundaries(90), IsEmpty());
  const auto floor = policy("base_lr: 0.5 lr_policy: 'cosine' max_iter: 90 min_lr: 0.125");
  for (int64_t t = 0; t <= 90; ++t)
    EXPECT_NEAR(floor->rate(t), 0.125 + 0.375 * (1 + std::cos(pi * t / 90)) / 2, 1e-15) << t;
}

TEST(Policy, flat_cosine) {
  const auto p = policy("base_lr: 0.5 lr_policy: 'flat_cosine' max_iter: 100");
  for (int64_t t = 0; t <= 75; ++t) EXPECT_EQ(p->rate(t), 0.5) << t;
  for (int64_t t = 75; t <= 100; ++t)
    EXPECT_NEAR(p->rate(t), 0.25 * (1 + std::cos(pi * (t - 75) / 25)), 1e-15) << t;
  EXPECT_THAT(p->boundaries(100), ElementsAre(75));
  const auto half =
      policy("base_lr: 1 lr_policy: 'flat_cosine' max_iter: 100 flat_fraction: 0.5 min_lr: 0.5");
  EXPECT_NEAR(half->rate(75), 0.75, 1e-15);
  EXPECT_NEAR(half->rate(100), 0.5, 1e-15);
}

// A walk from restart to restart, the way the papers tell it.
double restarts_by_walking(int64_t t, double base, double mult, int64_t period, double longer,
                           double low) {
  int64_t begin = 0;
  while (t >= begin + period) {
    begin += period;
    period = static_cast<int64_t>(static_cast<double>(period) * longer);
    base *= mult;
  }
  return low +
         (base - low) *
             (1 + std::cos(pi * static_cast<double>(t - begin) / static_cast<double>(period))) / 2;
}

TEST(Policy, cosine_restarts) {
  const std::string text = "base_lr: 0.5 lr_policy: 'cosine_restarts' max_iter: 1000 ";
  const auto equal = policy(text + "period: 7");
  const auto doubling = policy(text + "period: 10 period_mult: 2 restart_mult: 0.5");
  const auto floor = policy(text + "period: 10 period_mult: 3 min_lr: 0.125");
  for (int64_t t = 0; t < 1000; ++t) {
    EXPECT_NEAR(equal->rate(t), restarts_by_walking(t, 0.5, 1, 7, 1, 0), 1e-12) << t;
    EXPECT_NEAR(doubling->rate(t), restarts_by_walking(t, 0.5, 0.5, 10, 2, 0), 1e-12) << t;
    EXPECT_NEAR(floor->rate(t), restarts_by_walking(t, 0.5, 1, 10, 3, 0.125), 1e-12) << t;
  }
  EXPECT_THAT(equal->boundaries(22), ElementsAre(7, 14, 21));
  EXPECT_THAT(doubling->boundaries(151), ElementsAre(10, 30, 70, 150));
  EXPECT_EQ(doubling->current_step(69), 2);
  EXPECT_EQ(doubling->current_step(70), 3);
}

// jolibrain's Caffe: other names and defaults; a restart below min_lr rises to it.
TEST(Policy, sgdr) {
  const auto p = policy("base_lr: 0.5 lr_policy: 'sgdr' period: 10 max_iter: 1000");
  for (int64_t t = 0; t < 1000; ++t)
    EXPECT_NEAR(p->rate(t), restarts_by_walking(t, 0.5, f(0.8f), 10, 2, 1e-6), 1e-12) << t;
  const auto odd = policy(
      "base_lr: 0.5 lr_policy: 'sgdr' period: 7 p_mult: 1.5 lr_mult: 0.25 min_lr: 0.25 "
      "max_iter: 1000");
  for (int64_t t = 0; t < 1000; ++t)
    EXPECT_NEAR(odd->rate(t), restarts_by_walking(t, 0.5, 0.25, 7, 1.5, 0.25), 1e-12) << t;
  EXPECT_LT(odd->rate(7), 0.25);
  const auto once = policy("base_lr: 0.5 lr_policy: 'sgdr' max_iter: 100");
  EXPECT_NEAR(once->rate(50), 0.25 + 0.5e-6, 1e-12);
  EXPECT_THAT(once->boundaries(100), IsEmpty());
}

TEST(Policy, RestartsOfAnyLengthAreFound) {
  for (const char* how : {"period: 1", "period: 1 period_mult: 1000000", "period: 2147483647"}) {
    const auto p = policy(std::string("base_lr: 1 lr_policy: 'cosine_restarts' ") + how);
    for (const int64_t t : {0, 1, 2, 1000001, 2147483646}) {
      EXPECT_GE(p->rate(t), 0) << how;
      EXPECT_LE(p->rate(t), 1) << how;
    }
    EXPECT_LE(p->boundaries(2147483647).size(), kMostBoundaries);
  }
  const auto slow = policy("base_lr: 1 lr_policy: 'sgdr' p_mult: 1.01 period: 100 lr_mult: 1");
  EXPECT_LE(slow->rate(2147483646), 1);
}

// The numbers of PyTorch's OneCycleLR(max_lr=1, total_steps=10), by hand from its formula: corners
// at 2 and 9 with pct_start 0.3.
TEST(Policy, one_cycle) {
  const auto p = policy("base_lr: 1 lr_policy: 'one_cycle' max_iter: 10");
  EXPECT_NEAR(p->rate(0), 0.04, 1e-8);
  EXPECT_NEAR(p->rate(1), 0.52, 1e-6);  // pct_start is a float
  EXPECT_NEAR(p->rate(2), 1, 1e-6);
  EXPECT_NEAR(p->rate(9), 4e-6, 1e-10);
  const double peak = f(0.3f) * 10 - 1;
  for (int64_t t = 3; t < 10; ++t)
    EXPECT_NEAR(p->rate(t), 4e-6 + (1 - 4e-6) * (1 + std::cos(pi * (t - peak) / (9 - peak))) / 2,
                1e-12);
  EXPECT_EQ(p->rate(100), p->rate(9));
  const auto straight = policy(
      "base_lr: 1 lr_policy: 'one_cycle' max_iter: 100 one_cycle { pct_start: 0.25 div_factor: 4 "
      "final_div_factor: 25 anneal: LINEAR three_phase: true }");
  for (int64_t t = 0; t < 100; ++t) {
    const double want = t <= 24   ? 0.25 + 0.75 * t / 24
                        : t <= 48 ? 1 - 0.75 * (t - 24) / 24
                                  : 0.25 - 0.24 * (t - 48) / 51;
    EXPECT_NEAR(straight->rate(t), want, 1e-12) << t;
  }
  EXPECT_THAT(straight->boundaries(100), ElementsAre(24, 48));
}

TEST(Policy, OneCycleOfARunOfOneIteration) {
  const auto p = policy("base_lr: 1 lr_policy: 'one_cycle' max_iter: 1");
  EXPECT_TRUE(std::isfinite(p->rate(0)));
}

TEST(Policy, multifixed) {
  const auto p = policy(
      "lr_policy: 'multifixed' stagelr: 0.5 stageiter: 3 stagelr: 0.25 stageiter: 5 stagelr: 1 "
      "stageiter: 9");
  const double want[] = {.5, .5, .5, .5, .25, .25, 1, 1, 1, 1, 1, 1};
  for (size_t t = 0; t < std::size(want); ++t)
    EXPECT_EQ(p->rate(static_cast<int64_t>(t)), want[t]) << t;
  EXPECT_THAT(p->boundaries(100), ElementsAre(4, 6));
}

// --- wrong use

class OwnPolicyMistake : public testing::TestWithParam<Mistake> {};

TEST_P(OwnPolicyMistake, IsExplained) {
  EXPECT_THAT(wrong_policy(GetParam().text), HasSubstr(GetParam().says));
}

INSTANTIATE_TEST_SUITE_P(
    All, OwnPolicyMistake,
    testing::Values(
        Mistake{"lr_policy: 'linear' base_lr: 1", "needs max_iter"},
        Mistake{"lr_policy: 'linear' max_iter: 1", "needs base_lr"},
        Mistake{"lr_policy: 'cosine' base_lr: 1", "needs max_iter"},
        Mistake{"lr_policy: 'cosine' base_lr: 1 max_iter: 0", "max_iter must be > 0"},
        Mistake{"lr_policy: 'flat_cosine' base_lr: 1 max_iter: 9 flat_fraction: 1",
                "flat_fraction must be in [0, 1)"},
        Mistake{"lr_policy: 'flat_cosine' base_lr: 1 max_iter: 9 flat_fraction: nan",
                "flat_fraction must be a finite number"},
        Mistake{"lr_policy: 'cosine_restarts' base_lr: 1 max_iter: 9", "needs period"},
        Mistake{"lr_policy: 'cosine_restarts' base_lr: 1 period: 0", "period must be > 0"},
        Mistake{"lr_policy: 'cosine_restarts' base_lr: 1 period: 5 period_mult: 0",
                "period_mult must be >= 1"},
        Mistake{"lr_policy: 'cosine_restarts' base_lr: 1 period: 5 restart_mult: 0",
                "restart_mult must be > 0"},
        Mistake{"lr_policy: 'cosine_restarts' base_lr: 1 period: 1 restart_mult: 10 max_iter: 99",
                "beyond what a float holds"},
        Mistake{"lr_policy: 'sgdr' base_lr: 1", "needs max_iter"},
        Mistake{"lr_policy: 'sgdr' base_lr: 1 period: 5 p_mult: 0.5", "p_mult must be >= 1"},
        Mistake{"lr_policy: 'sgdr' base_lr: 1 period: 5 warmup_iter: 6",
                "warmup_iter must be at most as long as the first cosine"},
        Mistake{"lr_policy: 'sgdr' base_lr: 1 period: 5 period_mult: 2",
                "period_mult does nothing with lr_policy: \"sgdr\" | it belongs to lr_policy: "
                "\"cosine_restarts\""},
        Mistake{"lr_policy: 'step' base_lr: 1 gamma: 1 stepsize: 1 period: 5",
                "it belongs to lr_policy: \"cosine_restarts\" and \"sgdr\""},
        Mistake{"lr_policy: 'fixed' base_lr: 1 one_cycle {}", "one_cycle does nothing with"},
        Mistake{"lr_policy: 'fixed' base_lr: 1 stagelr: 5",
                "stagelr does nothing with lr_policy: \"fixed\""},
        Mistake{"lr_policy: 'one_cycle' base_lr: 1 max_iter: 9 one_cycle { pct_start: 1 }",
                "pct_start must be between 0 and 1"},
        Mistake{"lr_policy: 'one_cycle' base_lr: 1 max_iter: 9 one_cycle { pct_start: 0.5 "
                "three_phase: true }",
                "pct_start must be between 0 and 0.5"},
        Mistake{"lr_policy: 'one_cycle' base_lr: 1 max_iter: 9 one_cycle { div_factor: 0 }",
                "div_factor must be >= 1"},
        Mistake{"lr_policy: 'one_cycle' base_lr: 1 max_iter: 9 one_cycle { final_div_factor: -1 }",
                "final_div_factor must be >= 1 with one_cycle, not -1"},
        Mistake{"lr_policy: 'multifixed'", "needs stagelr"},
        Mistake{"lr_policy: 'multifixed' stagelr: 1", "1 stagelr for 0 stageiter"},
        Mistake{"lr_policy: 'multifixed' stagelr: 1 stageiter: 5 stageiter: 6", "1 stagelr for 2"},
        Mistake{"lr_policy: 'multifixed' stagelr: 1 stageiter: 5 stagelr: 1 stageiter: 5",
                "stageiter[1] must be larger than the one before it"},
        Mistake{"lr_policy: 'multifixed' stagelr: inf stageiter: 5",
                "stagelr[0] must be a finite"}));

TEST(OwnPolicyErrors, AllAreShownTogether) {
  const std::string all = wrong_policy(
      "lr_policy: 'one_cycle' max_iter: 0 one_cycle { div_factor: 0 } period: 5 min_lr: -1 "
      "warmup {}");
  for (const char* part : {"needs base_lr", "max_iter must be", "div_factor must be",
                           "period does nothing", "min_lr must be", "warmup needs exactly one"})
    EXPECT_THAT(all, HasSubstr(part));
}

}  // namespace
}  // namespace crema::optim
