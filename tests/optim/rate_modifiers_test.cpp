// min_lr and warm-up around any policy.
#include "optim/rate_modifiers.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <numbers>

#include "optim/solver.hpp"

namespace crema::optim {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::string kFixed = "base_lr: 0.5 lr_policy: 'fixed' max_iter: 100 ";
const std::string kExp = "base_lr: 0.5 lr_policy: 'exp' gamma: 0.9 max_iter: 100 ";
const std::string kPoly = "base_lr: 0.5 lr_policy: 'poly' power: 2 max_iter: 100 ";

TEST(MinLr, StopsWhatWouldGoLower) {
  const auto p = policy(kExp + "min_lr: 0.125");
  for (int64_t t = 0; t < 100; ++t)
    EXPECT_NEAR(p->rate(t), std::max(0.125, 0.5 * std::pow(double{0.9f}, t)), 1e-14) << t;
}

// NVIDIA: poly leads down to it.
TEST(MinLr, IsWherePolyEnds) {
  const auto p = policy(kPoly + "min_lr: 0.125");
  for (int64_t t = 0; t <= 100; ++t)
    EXPECT_NEAR(p->rate(t), 0.375 * std::pow(1 - t / 100.0, 2) + 0.125, 1e-14) << t;
  EXPECT_EQ(p->rate(200), 0.125);
}

TEST(MinLr, RelativeKeepsTheRatioOfTwoParameters) {
  for (const std::string& base : {kExp, kPoly, kFixed}) {
    const auto p = policy(base + "min_lr: 0.125");
    for (const int64_t t : {0, 50, 99}) EXPECT_EQ(p->rate_of(t, 0.25), 0.25 * p->rate(t));
    EXPECT_EQ(p->rate_of(99, 0), 0);
  }
}

// torch's eta_min: the same floor for all, so that ratios end at 1.
TEST(MinLr, AbsoluteIsTheSameForAll) {
  const auto poly = policy(kPoly + "min_lr: 0.125 min_lr_mode: ABSOLUTE");
  const auto exp = policy(kExp + "min_lr: 0.125 min_lr_mode: ABSOLUTE");
  for (int64_t t = 0; t < 100; ++t) {
    const double s = std::pow(1 - t / 100.0, 2);
    EXPECT_NEAR(poly->rate_of(t, 0.5), 0.125 + (0.25 - 0.125) * s, 1e-14) << t;
    EXPECT_NEAR(exp->rate_of(t, 10), std::max(0.125, 5 * std::pow(double{0.9f}, t)), 1e-12) << t;
    EXPECT_EQ(poly->rate_of(t, 0), 0) << "frozen";
    EXPECT_EQ(poly->rate_of(t, -0.5), -poly->rate_of(t, 0.5));
  }
  EXPECT_EQ(poly->rate_of(200, 10), 0.125);
  EXPECT_EQ(exp->rate_of(99, 0.001), 0.125);
}

TEST(Warmup, RisesToThePolicyInEveryShape) {
  const std::string begin = kPoly + "warmup { iterations: 10 ";
  const auto linear = policy(begin + "}");
  const auto square = policy(begin + "start_factor: 0.5 shape: QUADRATIC }");
  const auto flat = policy(begin + "start_factor: 0.25 shape: CONSTANT }");
  const auto from = policy(begin + "start_lr: 0.0625 }");
  for (int64_t t = 0; t < 100; ++t) {
    const double r = 0.5 * std::pow(1 - t / 100.0, 2), a = static_cast<double>(t) / 10;
    EXPECT_NEAR(linear->rate(t), t < 10 ? r * a : r, 1e-14) << t;
    EXPECT_NEAR(square->rate(t), t < 10 ? r * (0.5 + 0.5 * a * a) : r, 1e-14) << t;
    EXPECT_NEAR(flat->rate(t), t < 10 ? r * 0.25 : r, 1e-14) << t;
    EXPECT_NEAR(from->rate(t), t < 10 ? 0.0625 + (r - 0.0625) * a : r, 1e-14) << t;
    EXPECT_DOUBLE_EQ(from->rate_of(t, 3), 3 * from->rate(t)) << t;
    EXPECT_EQ(linear->momentum_scale(t), 1);
  }
  EXPECT_THAT(linear->boundaries(100), ElementsAre(10));
}

TEST(Warmup, FractionOfTheRun) {
  const auto p = policy(kFixed + "warmup { fraction: 0.055 }");
  EXPECT_NEAR(p->rate(3), 0.25, 1e-14);
  EXPECT_EQ(p->rate(6), 0.5);
}

TEST(Warmup, StandsBesideTheStepsOfThePolicy) {
  const auto p = policy(
      "base_lr: 1 lr_policy: 'multistep' gamma: 0.5 stepvalue: 5 stepvalue: 20 max_iter: 30 "
      "warmup { iterations: 10 }");
  EXPECT_THAT(p->boundaries(30), ElementsAre(5, 10, 20));
  EXPECT_NEAR(p->rate(6), 0.3, 1e-14);
  EXPECT_EQ(p->current_step(6), 1);
}

TEST(Warmup, CorrectsMomentumIfAsked) {
  const auto p =
      policy(kFixed + "warmup { iterations: 4 start_factor: 0.5 momentum_correction: true }");
  EXPECT_EQ(p->momentum_scale(0), 1);
  for (const int64_t t : {1, 2, 3, 4})
    EXPECT_DOUBLE_EQ(p->momentum_scale(t), p->rate(t) / p->rate(t - 1));
  EXPECT_EQ(p->momentum_scale(5), 1);
  EXPECT_EQ(
      policy(kFixed + "warmup { iterations: 4 momentum_correction: true }")->momentum_scale(1), 1)
      << "after a rate of 0 there is no velocity";
}

// NVIDIA: quadratic, to base_lr whatever the policy says, and never below min_lr.
TEST(Warmup, rampup) {
  const auto p = policy(kPoly + "rampup_interval: 20 rampup_lr: 0.1 min_lr: 0.125");
  for (int64_t t = 0; t < 20; ++t) {
    const double a = static_cast<double>(t) / 20;
    EXPECT_NEAR(p->rate(t), std::max(0.125, double{0.1f} + (0.5 - double{0.1f}) * a * a), 1e-14);
  }
  EXPECT_NEAR(p->rate(20), 0.375 * 0.64 + 0.125, 1e-14);
  EXPECT_EQ(p->momentum_scale(3), 1);
}

// Intel: linear, to base_lr, momentum corrected while it lasts.
TEST(Warmup, warmup_iter) {
  const auto p = policy(kPoly + "warmup_iter: 20 warmup_start_lr: 0.125");
  for (int64_t t = 0; t < 20; ++t) {
    const double want = (t * 0.5 + (20 - t) * 0.125) / 20;
    EXPECT_NEAR(p->rate(t), want, 1e-14) << t;
    const double before =
        (std::max<int64_t>(t - 1, 0) * 0.5 + (20 - std::max<int64_t>(t - 1, 0)) * 0.125) / 20;
    EXPECT_NEAR(p->momentum_scale(t), want / before, 1e-14) << t;
  }
  EXPECT_NEAR(p->rate(20), 0.5 * 0.64, 1e-14);
  EXPECT_EQ(p->momentum_scale(20), 1);
  const auto steps =
      policy("base_lr: 1 lr_policy: 'step' gamma: 0.5 stepsize: 8 max_iter: 50 warmup_iter: 20");
  EXPECT_THAT(steps->boundaries(40), ElementsAre(20, 24, 32));
}

TEST(RateModifiers, SayWhatTheyDo) {
  EXPECT_THAT(policy(kExp + "min_lr: 0.1")->formula(), HasSubstr("max(min_lr, base_lr"));
  EXPECT_THAT(policy(kPoly + "min_lr: 0.1")->formula(), HasSubstr("down to min_lr"));
  EXPECT_THAT(policy(kPoly + "warmup_iter: 9")->formula(),
              HasSubstr("after 9 iterations of warm-up (LINEAR, momentum corrected)"));
}

class ModifierMistake : public testing::TestWithParam<Mistake> {};

TEST_P(ModifierMistake, IsExplained) {
  EXPECT_THAT(wrong_policy(kFixed + GetParam().text), HasSubstr(GetParam().says));
}

INSTANTIATE_TEST_SUITE_P(
    All, ModifierMistake,
    testing::Values(
        Mistake{"min_lr: -0.1", "min_lr must be >= 0"},
        Mistake{"min_lr: nan", "min_lr must be a finite"},
        Mistake{"min_lr: 0.6", "min_lr must be <= base_lr"},
        Mistake{"min_lr_mode: ABSOLUTE", "min_lr_mode without min_lr"},
        Mistake{"warmup {}", "warmup needs exactly one of iterations and fraction"},
        Mistake{"warmup { iterations: 5 fraction: 0.5 }", "warmup needs exactly one"},
        Mistake{"warmup { iterations: 0 }", "iterations must be >= 1 with warmup, not 0"},
        Mistake{"warmup { fraction: 1 }", "fraction must be between 0 and 1"},
        Mistake{"warmup { fraction: nan }", "fraction must be a finite number"},
        Mistake{"warmup { iterations: 5 start_lr: -1 }", "start_lr must be >= 0"},
        Mistake{"warmup { iterations: 5 start_factor: 2 }", "start_factor must be in [0, 1]"},
        Mistake{"warmup { iterations: 5 start_factor: 1 start_lr: 1 }", "both start_lr and"},
        Mistake{"warmup { iterations: 5 } warmup_iter: 5", "more than one warm-up"},
        Mistake{"rampup_interval: 5 warmup_iter: 5", "more than one warm-up"},
        Mistake{"rampup_interval: -5", "rampup_interval must be >= 0"},
        Mistake{"rampup_lr: 0.1", "rampup_lr without rampup_interval"},
        Mistake{"warmup_start_lr: 0.1", "warmup_start_lr without warmup_iter"},
        Mistake{"warmup_iter: 9 warmup_start_lr: -0.1", "warmup_start_lr must be >= 0"}));

TEST(ModifierErrors, AFractionNeedsALength) {
  EXPECT_THAT(wrong_policy("base_lr: 1 lr_policy: 'fixed' warmup { fraction: 0.1 }"),
              HasSubstr("needs max_iter"));
  EXPECT_THAT(wrong_policy("lr_policy: 'multifixed' stagelr: 1 stageiter: 5 warmup_iter: 9"),
              HasSubstr("warmup_iter needs base_lr"));
}

TEST(ModifierErrors, StandInsideTheMessage) {
  const config::SolverConfig solver =
      config::parse_solver("solver.prototxt",
                           "net_param { layer { name: 'data' type: 'Input' top: 'data' } }\n"
                           "base_lr: 0.1 lr_policy: 'fixed'\n"
                           "warmup {\n"
                           "  iterations: 4\n"
                           "  start_factor: 3\n"
                           "}\n");
  Diagnostics found;
  found.guard([&] { make_policy(solver); });
  ASSERT_EQ(found.errors().size(), 1u);
  EXPECT_EQ(found.errors()[0].location.text(), "solver.prototxt:5:3");
}

}  // namespace
}  // namespace crema::optim
