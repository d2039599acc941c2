// The formulas that updates are held against are the update rules', written twice.
#include "optim/step_formula.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "optim/rule.hpp"
#include "optim/solver.hpp"

namespace crema::optim {
namespace {

TEST(StepFormula, every_optimizer_has_one) {
  for (const std::string& name : Registry<RuleTag>::instance().names())
    EXPECT_NE(Registry<StepFormulaTag>::instance().find(name), nullptr)
        << name << " cannot be verified: add its formula to src/optim/formulas";
  for (const std::string& name : Registry<StepFormulaTag>::instance().names())
    EXPECT_NE(Registry<RuleTag>::instance().find(name), nullptr) << name << " is no optimizer";
}

struct Case {
  const char* name;
  std::string settings;
};

// One step of a rule from a state in the middle of a run, element by element.
TEST(StepFormula, says_what_the_rule_does) {
  const std::vector<Case> cases{
      {"SGD", "momentum: 0.9"},
      {"SGD", "momentum: 0.9 momentum_form: LR_OUTSIDE"},
      {"SGD", "momentum: 0.9 larc: true"},
      {"SGD", "momentum: 0.9 larc: true larc_policy: \"clip\""},
      {"SGD", "momentum: 0.9 local_lr_auto: true weight_decay: 0.01"},
      {"Nesterov", "momentum: 0.8"},
      {"Nesterov", "momentum: 0.8 momentum_form: LR_OUTSIDE"},
      {"LARS", "momentum: 0.9 trust_coefficient: 0.1"},
      {"LARC", "momentum: 0.9 trust_coefficient: 0.1"},
      {"AdaGrad", ""},
      {"RMSProp", "rms_decay: 0.9"},
      {"AdaDelta", "momentum: 0.95 delta: 1e-6"},
      {"Adam", "momentum: 0.9"},
      {"Adam", "momentum: 0.9 amsgrad: true rectified: false"},
      {"AMSGrad", "momentum: 0.9"},
      {"AdamW", "momentum: 0.9"},
      {"LAMB", "momentum: 0.9"},
      {"Lion", "momentum: 0.9"},
  };
  for (const Case& c : cases) {
    const config::SolverConfig config = solver(fmt::format("type: \"{}\" {}", c.name, c.settings));
    const auto rule = make_rule(config);
    constexpr size_t kCount = 40;
    std::vector<float> value(kCount), gradient(kCount);
    std::vector<std::vector<float>> state(rule->slots().size(), std::vector<float>(kCount));
    for (size_t i = 0; i < kCount; ++i) {
      value[i] = std::sin(1.0f + static_cast<float>(i));
      gradient[i] = 0.1f * std::cos(3.0f * static_cast<float>(i));
      for (size_t k = 0; k < state.size(); ++k)
        state[k][i] = 0.01f * std::abs(std::sin(static_cast<float>(i * (k + 2)))) + 1e-4f;
    }
    StepInfo info;
    info.policy_rate = 0.02;
    info.rate = 0.01;
    info.step_count = 7;
    info.gradient_scale = 0.5;
    info.l2 = 0.01;
    info.momentum = rule->momentum().value_or(0);
    info.momentum_scale = 1.5;
    StepFacts facts;
    facts.value = value;
    facts.gradient = gradient;
    for (const std::vector<float>& slot : state) facts.slots.emplace_back(slot);
    facts.solver = &config.param;
    facts.rate = info.rate;
    facts.policy_rate = info.policy_rate;
    facts.step_count = info.step_count;
    facts.gradient_scale = info.gradient_scale;
    facts.l2 = info.l2;
    facts.momentum = info.momentum;
    facts.momentum_scale = info.momentum_scale;
    const ElementFormula formula = (*Registry<StepFormulaTag>::instance().find(c.name))(facts);
    std::vector<double> expected;
    for (size_t i = 0; i < kCount; ++i) {
      const ElementStep step = formula(i);
      expected.push_back(step.carried + facts.rate * step.direction);
    }
    const std::vector<float> before = value;
    std::vector<std::span<float>> slots;
    for (std::vector<float>& slot : state) slots.emplace_back(slot);
    rule->step({value, gradient, slots, {}}, info);
    for (size_t i = 0; i < kCount; ++i)
      EXPECT_NEAR(static_cast<double>(before[i]) - value[i], expected[i],
                  1e-7 + 1e-5 * std::abs(expected[i]))
          << c.name << " " << c.settings << ", element " << i;
  }
}

}  // namespace
}  // namespace crema::optim
