#include "optim/policy.hpp"

#include <gmock/gmock.h>

#include <cmath>

#include "optim/solver.hpp"

namespace crema::optim {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// --- closed forms

TEST(Policy, fixed) {
  const auto p = policy("base_lr: 0.01 lr_policy: 'fixed' max_iter: 10");
  for (const int64_t t : {0, 1, 9, 1000000}) EXPECT_EQ(p->rate(t), f(0.01f));
  EXPECT_THAT(p->boundaries(1000), IsEmpty());
  EXPECT_EQ(p->current_step(500), 0);
}

TEST(Policy, step) {
  const auto p = policy("base_lr: 0.1 lr_policy: 'step' gamma: 0.5 stepsize: 10");
  for (int64_t t = 0; t < 100; ++t) {
    double want = f(0.1f);
    for (int64_t k = 10; k <= t; k += 10) want *= 0.5;
    EXPECT_DOUBLE_EQ(p->rate(t), want) << t;
    EXPECT_EQ(p->current_step(t), t / 10);
  }
  EXPECT_THAT(p->boundaries(40), ElementsAre(10, 20, 30));
  EXPECT_THAT(p->boundaries(41), ElementsAre(10, 20, 30, 40));
}

TEST(Policy, StepBoundariesEndWhereTheRateStaysTheSame) {
  EXPECT_THAT(policy("base_lr: 1 lr_policy: 'step' gamma: 1 stepsize: 1")->boundaries(2000000000),
              IsEmpty());
  EXPECT_THAT(policy("base_lr: 1 lr_policy: 'step' gamma: 0 stepsize: 3")->boundaries(2000000000),
              ElementsAre(3));
}

TEST(Policy, exp) {
  const auto p = policy("base_lr: 0.1 lr_policy: 'exp' gamma: 0.9");
  double want = f(0.1f);
  for (int64_t t = 0; t < 50; ++t, want *= f(0.9f)) EXPECT_NEAR(p->rate(t), want, 1e-14);
}

TEST(Policy, inv) {
  const auto p = policy("base_lr: 0.01 lr_policy: 'inv' gamma: 0.0001 power: 0.75");
  for (int64_t t = 0; t < 20000; t += 997)
    EXPECT_NEAR(p->rate(t), 0.01 / std::sqrt(std::sqrt(std::pow(1 + 0.0001 * t, 3))), 1e-9);
}

TEST(Policy, multistep) {
  const auto p = policy(
      "base_lr: 1 lr_policy: 'multistep' gamma: 0.5 stepvalue: 5 stepvalue: 6 stepvalue: 15");
  const auto steps = [](int64_t t) { return (t >= 5) + (t >= 6) + (t >= 15); };
  for (int64_t t = 0; t < 24; ++t) {
    EXPECT_EQ(p->current_step(t), steps(t)) << t;
    EXPECT_EQ(p->rate(t), std::pow(0.5, steps(t))) << t;
  }
  EXPECT_THAT(p->boundaries(24), ElementsAre(5, 6, 15));
  EXPECT_THAT(p->boundaries(15), ElementsAre(5, 6));
}

// BVLC's counter: at most one step per update.
TEST(Policy, MultistepTakesEqualStepvaluesOneUpdateAfterTheOther) {
  const std::vector<int64_t> values = {0, 0, 4, 4, 4, 5, 20};
  std::string text = "base_lr: 1 lr_policy: 'multistep' gamma: 0.5";
  for (const int64_t v : values) text += " stepvalue: " + std::to_string(v);
  const auto p = policy(text);
  int counter = 0;
  for (int64_t t = 0; t < 30; ++t) {
    if (counter < 7 && t >= values[static_cast<size_t>(counter)]) ++counter;
    EXPECT_EQ(p->current_step(t), counter) << t;
  }
  EXPECT_THAT(p->boundaries(30), ElementsAre(1, 4, 5, 6, 7, 20));
}

TEST(Policy, poly) {
  const auto p = policy("base_lr: 0.1 lr_policy: 'poly' power: 0.5 max_iter: 100");
  for (int64_t t = 0; t < 100; ++t)
    EXPECT_NEAR(p->rate(t), f(0.1f) * std::sqrt((100 - t) / 100.0), 1e-14);
  for (const int64_t t : {100, 101, 1000}) EXPECT_EQ(p->rate(t), 0);
  EXPECT_EQ(policy("base_lr: 0.1 lr_policy: 'poly' power: 0 max_iter: 10")->rate(11), f(0.1f));
}

TEST(Policy, sigmoid) {
  const auto p = policy("base_lr: 0.2 lr_policy: 'sigmoid' gamma: 0.1 stepsize: 50");
  EXPECT_NEAR(p->rate(50), 0.1, 1e-8);
  for (int64_t t = 0; t < 100; t += 7)
    EXPECT_NEAR(p->rate(t) + p->rate(100 - t), f(0.2f), 1e-9) << "symmetric about the middle";
  EXPECT_NEAR(p->rate(60), 0.2 * 0.7310585786300049, 1e-8);
  EXPECT_EQ(policy("base_lr: 1 lr_policy: 'sigmoid' gamma: 9e30 stepsize: 9")->rate(0), 0);
}

TEST(Policy, AllOfBvlcAndEachSaysItsFormula) {
  const std::vector<std::string> names = Registry<PolicyTag>::instance().names();
  EXPECT_THAT(names, testing::IsSupersetOf(
                         {"exp", "fixed", "inv", "multistep", "poly", "sigmoid", "step"}));
  const std::string all =
      "base_lr: 0.1 gamma: 0.5 power: 1 stepsize: 5 stepvalue: 7 max_iter: 10 lr_policy: ";
  for (const char* name : {"exp", "fixed", "inv", "multistep", "poly", "sigmoid", "step"})
    EXPECT_THAT(policy(all + "'" + name + "'")->formula(), HasSubstr("base_lr")) << name;
}

// --- wrong use

TEST(PolicyErrors, UnsetAndUnknown) {
  EXPECT_THAT(wrong_policy("base_lr: 0.1"), HasSubstr("write lr_policy: \"fixed\""));
  EXPECT_THAT(wrong_policy("base_lr: 0.1 lr_policy: 'multi_step'"),
              HasSubstr("did you mean 'multistep'"));
  EXPECT_THAT(wrong_policy("base_lr: 0.1 lr_policy: ''"),
              HasSubstr("unknown learning-rate policy ''"));
  EXPECT_THAT(wrong_policy("base_lr: 0.1 lr_policy: 'zzz'"), HasSubstr("sigmoid"));
}

class PolicyMistake : public testing::TestWithParam<Mistake> {};

TEST_P(PolicyMistake, IsExplained) {
  EXPECT_THAT(wrong_policy(GetParam().text), HasSubstr(GetParam().says));
}

INSTANTIATE_TEST_SUITE_P(
    All, PolicyMistake,
    testing::Values(
        Mistake{"lr_policy: 'fixed'", "lr_policy: \"fixed\" needs base_lr, which is not set"},
        Mistake{"lr_policy: 'fixed' base_lr: nan", "base_lr must be a finite number, not nan"},
        Mistake{"lr_policy: 'fixed' base_lr: inf", "base_lr must be a finite number"},
        Mistake{"lr_policy: 'step' base_lr: 1 stepsize: 5", "needs gamma"},
        Mistake{"lr_policy: 'step' base_lr: 1 gamma: 0.1", "needs stepsize"},
        Mistake{"lr_policy: 'step' base_lr: 1 gamma: 0.1 stepsize: 0",
                "stepsize must be > 0 with lr_policy: \"step\", not 0"},
        Mistake{"lr_policy: 'step' base_lr: 1 gamma: 0.1 stepsize: -3", "stepsize must be > 0"},
        Mistake{"lr_policy: 'step' base_lr: 1 gamma: -0.1 stepsize: 3", "gamma must be >= 0"},
        Mistake{"lr_policy: 'step' base_lr: 1 gamma: nan stepsize: 3", "gamma must be a finite"},
        Mistake{"lr_policy: 'exp' base_lr: 1", "needs gamma"},
        Mistake{"lr_policy: 'exp' base_lr: 1 gamma: -1", "gamma must be >= 0"},
        Mistake{"lr_policy: 'exp' base_lr: 1 gamma: 10 max_iter: 100",
                "the learning rate of iteration 99 is 1e+99"},
        Mistake{"lr_policy: 'inv' base_lr: 1 power: 1", "needs gamma"},
        Mistake{"lr_policy: 'inv' base_lr: 1 gamma: 1", "needs power"},
        Mistake{"lr_policy: 'inv' base_lr: 1 gamma: -1 power: 1", "gamma must be >= 0"},
        Mistake{"lr_policy: 'inv' base_lr: 1 gamma: 1 power: -inf", "power must be a finite"},
        Mistake{"lr_policy: 'multistep' base_lr: 1 gamma: 0.1", "needs stepvalue"},
        Mistake{"lr_policy: 'multistep' base_lr: 1 stepvalue: 3", "needs gamma"},
        Mistake{"lr_policy: 'multistep' base_lr: 1 gamma: -2 stepvalue: 3", "gamma must be >= 0"},
        Mistake{"lr_policy: 'multistep' base_lr: 1 gamma: 1 stepvalue: 9 stepvalue: 8",
                "stepvalue 8 comes after 9"},
        Mistake{"lr_policy: 'multistep' base_lr: 1 gamma: 1 stepvalue: -1",
                "stepvalue must be >= 0"},
        Mistake{"lr_policy: 'poly' base_lr: 1 power: 1", "needs max_iter"},
        Mistake{"lr_policy: 'poly' base_lr: 1 power: 1 max_iter: 0", "max_iter must be > 0"},
        Mistake{"lr_policy: 'poly' base_lr: 1 max_iter: 9", "needs power"},
        Mistake{"lr_policy: 'poly' base_lr: 1 power: -1 max_iter: 9", "power must be >= 0"},
        Mistake{"lr_policy: 'sigmoid' base_lr: 1 stepsize: 9", "needs gamma"},
        Mistake{"lr_policy: 'sigmoid' base_lr: 1 gamma: 1", "needs stepsize"},
        Mistake{"lr_policy: 'sigmoid' base_lr: 1 gamma: -1 stepsize: 1", "gamma must be >= 0"},
        Mistake{"lr_policy: 'sigmoid' base_lr: 1 gamma: 1 stepsize: 0", "stepsize must be > 0"}));

TEST(PolicyErrors, AllMistakesOfAPolicyAreShownTogether) {
  const std::string all = wrong_policy("lr_policy: 'step' gamma: -1 stepsize: 0");
  EXPECT_THAT(all, HasSubstr("needs base_lr"));
  EXPECT_THAT(all, HasSubstr("gamma must be"));
  EXPECT_THAT(all, HasSubstr("stepsize must be"));
}

}  // namespace
}  // namespace crema::optim
