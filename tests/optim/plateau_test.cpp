// lr_policy: "plateau", against a second telling of PyTorch's ReduceLROnPlateau and of the window
// rule of NVIDIA's, Intel's and SSD's Caffe.
#include <gmock/gmock.h>

#include <cmath>
#include <random>

#include "optim/policy.hpp"
#include "optim/solver.hpp"

namespace crema::optim {
namespace {

using testing::HasSubstr;

const std::string kPlateau = "base_lr: 1 lr_policy: 'plateau' ";

std::vector<double> noisy_descent(int n) {
  std::mt19937 random(7);
  std::vector<double> out;
  for (int i = 0; i < n; ++i)
    out.push_back(2 * std::exp(-0.02 * i) + 0.1 * (random() % 1000) / 1000.0);
  return out;
}

TEST(Plateau, DropsAfterPatienceAndRestsForTheCooldown) {
  const auto p = policy(
      kPlateau +
      "plateau { metric: 'accuracy' phase: TEST mode: MAX factor: 0.5 patience: 2 cooldown: 1 }");
  MetricFollower& follower = *p->follower();
  EXPECT_EQ(follower.metric().name, "accuracy");
  EXPECT_TRUE(follower.metric().test);
  // better, better, three that are not -> drop; one of cooldown, three -> drop.
  const double values[] = {0.5, 0.6, 0.6, 0.59, 0.6, 0.1, 0.2, 0.3, 0.4, 0.7, 0.7, 0.7, 0.7};
  const double rates[] = {1, 1, 1, 1, .5, .5, .5, .5, .25, .25, .25, .25, .125};
  int64_t t = 0;
  for (size_t i = 0; i < std::size(values); ++i, t += 100) {
    const double before = p->rate(t);
    EXPECT_EQ(follower.observe(t, values[i]), rates[i] != before) << i;
    EXPECT_EQ(p->rate(t), rates[i]) << i;
    EXPECT_FALSE(follower.observe(t, 0)) << "the same test again";
  }
  EXPECT_EQ(p->current_step(t), 3);
}

TEST(Plateau, BetterMeansBeyondTheThreshold) {
  const auto drops = [](const std::string& how, std::initializer_list<double> values) {
    const auto p = policy(kPlateau + "plateau { patience: 0 " + how + " }");
    int64_t t = 0;
    for (const double value : values) p->follower()->observe(t++, value);
    return p->current_step(t);
  };
  EXPECT_EQ(drops("threshold: 0.1", {10, 8.9, 8.02}), 1);
  EXPECT_EQ(drops("threshold: 0.1", {10, 8.9, 8}), 0);
  EXPECT_EQ(drops("threshold: 2 threshold_mode: ABS", {10, 7.9, 6}), 1);
  EXPECT_EQ(drops("threshold: 2 threshold_mode: ABS mode: MAX", {1, 3.5, 5.6}), 0);
  EXPECT_EQ(drops("threshold: 0", {1, 1}), 1);
  EXPECT_EQ(drops("", {NAN, 1, NAN}), 2) << "no number is better than no number";
}

TEST(Plateau, TrainingIsObservedInMeansOverAnInterval) {
  const auto means = policy(kPlateau + "plateau { interval: 10 patience: 1 factor: 0.5 }");
  const auto plain = policy(kPlateau + "plateau { interval: 1 patience: 1 factor: 0.5 }");
  const std::vector<double> losses = noisy_descent(400);
  for (int64_t t = 0; t < 400; ++t) {
    means->follower()->observe(t, losses[static_cast<size_t>(t)]);
    if (t % 10 != 9) continue;
    double mean = 0;
    for (int64_t i = t - 9; i <= t; ++i) mean += losses[static_cast<size_t>(i)];
    plain->follower()->observe(t, mean / 10);
    EXPECT_EQ(means->rate(t), plain->rate(t)) << t;
  }
  EXPECT_GT(means->current_step(400), 2);
}

TEST(Plateau, WindowsOfOtherCaffes) {
  const auto p =
      policy(kPlateau + "gamma: 0.5 plateau_winsize: 9 plateau_winsize: 4 plateau_winsize: 20");
  const std::vector<double> losses = noisy_descent(400);
  double least = 1e38;
  int64_t last = 0;
  size_t k = 0;
  const int64_t windows[] = {9, 4, 20};
  for (int64_t t = 0; t < 400; ++t) {
    const double loss = losses[static_cast<size_t>(t)];
    if (loss < least) least = loss, last = t;
    if (k < 3 && t >= last + windows[k]) ++k, last = t;
    p->follower()->observe(t, loss);
    EXPECT_EQ(p->rate(t), std::pow(0.5, k)) << t;
  }
  EXPECT_EQ(k, 3u);
}

// Cut anywhere and continued from its state, the rates are those of the whole, bit for bit.
TEST(Plateau, ContinuesFromItsStateExactly) {
  const std::vector<double> losses = noisy_descent(300);
  for (const char* how : {"plateau { interval: 7 patience: 2 cooldown: 3 factor: 0.7 }",
                          "gamma: 0.7 plateau_winsize: 5 plateau_winsize: 6 plateau_winsize: 30"})
    for (int64_t cut = 0; cut < 300; cut += 13) {
      const auto whole = policy(kPlateau + how), first = policy(kPlateau + how),
                 second = policy(kPlateau + how);
      LrPolicy* half = first.get();
      for (int64_t t = 0; t < 300; ++t) {
        if (t == cut) {
          second->follower()->set_state(first->follower()->state());
          half = second.get();
        }
        whole->follower()->observe(t, losses[static_cast<size_t>(t)]);
        half->follower()->observe(t, losses[static_cast<size_t>(t)]);
        ASSERT_EQ(half->rate(t), whole->rate(t)) << how << " cut at " << cut << ", t " << t;
      }
    }
}

TEST(Plateau, StandsBehindFloorAndWarmup) {
  const auto p =
      policy(kPlateau + "plateau { patience: 0 } min_lr: 0.0625 warmup { iterations: 4 }");
  ASSERT_NE(p->follower(), nullptr);
  for (int64_t t = 0; t < 4; ++t) p->follower()->observe(t, 1);
  EXPECT_EQ(p->rate(4), 0.0625);
  EXPECT_EQ(p->rate(2), 0.03125);
}

TEST(Plateau, OtherPoliciesFollowNothing) {
  EXPECT_EQ(make_policy(solver("base_lr: 1 lr_policy: 'fixed'"))->follower(), nullptr);
}

class PlateauMistake : public testing::TestWithParam<Mistake> {};

TEST_P(PlateauMistake, IsExplained) {
  EXPECT_THAT(wrong_policy(kPlateau + GetParam().text), HasSubstr(GetParam().says));
}

INSTANTIATE_TEST_SUITE_P(
    All, PlateauMistake,
    testing::Values(
        Mistake{"", "needs plateau, which is not set"},
        Mistake{"plateau {} gamma: 0.1 plateau_winsize: 5", "both plateau and plateau_winsize"},
        Mistake{"plateau_winsize: 5", "needs gamma"},
        Mistake{"gamma: 0.1 plateau_winsize: 0", "plateau_winsize[0] must be > 0"},
        Mistake{"plateau { factor: 1 }", "factor must be between 0 and 1"},
        Mistake{"plateau { factor: 0 }", "factor must be between 0 and 1"},
        Mistake{"plateau { patience: -1 }", "patience must be >= 0"},
        Mistake{"plateau { cooldown: -1 }", "cooldown must be >= 0"},
        Mistake{"plateau { threshold: -1 }", "threshold must be >= 0"},
        Mistake{"plateau { interval: 0 }", "interval must be >= 1"},
        Mistake{"plateau { test_net: -1 phase: TEST }", "test_net must be >= 0"},
        Mistake{"plateau { test_net: 1 }", "test_net does nothing with phase: TRAIN"},
        Mistake{"plateau { phase: TEST interval: 4 }", "interval does nothing with phase: TEST"},
        Mistake{"plateau { metric: 'accuracy' }", "write mode: MAX for an accuracy"}));

}  // namespace
}  // namespace crema::optim
