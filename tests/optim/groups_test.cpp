// Optimizers of rules, clip scopes, gradient factors, the moving average, step counts.
#include <gmock/gmock.h>

#include <cmath>

#include "optim/bench.hpp"
#include "optim/overlay.hpp"
#include "optim/solver.hpp"

namespace crema::optim {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::string kHundred = "base_lr: 0.1 lr_policy: 'fixed' max_iter: 100 ";

// Two parameters, the second of which rule 0 selects.
Bench two() {
  Bench bench;
  bench.add({1, -2}, 1, 1);
  bench.add({0.5f, 3, 1}, 1, 1);
  bench.settings.resize(2);
  bench.settings[1].rules = {0};
  bench.settings[1].optimizer_rule = 0;
  bench.gradients = {{0.3f, 0.4f}, {1.2f, 0, 0}};
  return bench;
}

void run(Bench& bench, const config::SolverConfig& config, int updates) {
  Optimizer optimizer(config, bench.params());
  for (int t = 0; t < updates; ++t) {
    for (size_t p = 0; p < bench.values.size(); ++p)
      for (size_t i = 0; i < bench.values[p].size(); ++i)
        bench.gradients[p][i] = static_cast<float>(pull(bench.values[p][i], p, i));
    optimizer.update(t);
  }
}

// --- optimizers of rules

TEST(RuleOptimizer, EachParameterLearnsAsUnderItsOwnSolver) {
  const struct {
    const char *solver, *rule, *alone;
  } cases[] = {
      {"momentum: 0.9 weight_decay: 0.01", "type: 'AdamW' base_lr: 0.01",
       "base_lr: 0.01 lr_policy: 'fixed' max_iter: 100 type: 'AdamW' momentum: 0.9 weight_decay: "
       "0.01"},
      {"momentum: 0.9", "momentum: 0.5 weight_decay: 0.1",
       "base_lr: 0.1 lr_policy: 'fixed' max_iter: 100 momentum: 0.5 weight_decay: 0.1"},
      {"type: 'Adam' momentum: 0.9", "type: 'SGD' lr_policy: 'cosine' momentum_form: LR_OUTSIDE",
       "base_lr: 0.1 lr_policy: 'cosine' max_iter: 100 momentum: 0.9 momentum_form: LR_OUTSIDE"},
      {"momentum_schedule { point { at: 0 value: 0.9 } }", "momentum: 0.2",
       "base_lr: 0.1 lr_policy: 'fixed' max_iter: 100 momentum: 0.2"},
      {"weight_decay: 0.5", "weight_decay_schedule { point { at: 9 value: 0.1 } }",
       "base_lr: 0.1 lr_policy: 'fixed' max_iter: 100 weight_decay: 0.1"},
      {"momentum_form: LR_OUTSIDE momentum: 0.9", "type: 'RMSProp' momentum: 0",
       "base_lr: 0.1 lr_policy: 'fixed' max_iter: 100 type: 'RMSProp'"},
  };
  for (const auto& c : cases) {
    Bench mixed = two(), first = two(), second = two();
    first.settings.clear();
    second.settings.clear();
    run(mixed, solver(kHundred + c.solver + " param_rule { optimizer { " + c.rule + " } }"), 30);
    run(first, solver(kHundred + c.solver), 30);
    run(second, solver(c.alone), 30);
    EXPECT_EQ(mixed.values[0], first.values[0]) << c.rule;
    EXPECT_EQ(mixed.values[1], second.values[1]) << c.rule;
    EXPECT_NE(mixed.values[1], first.values[1]) << c.rule;
  }
}

TEST(RuleOptimizer, OneClipIsForAll) {
  Bench bench = two();
  Optimizer optimizer(
      solver(kHundred + "clip_gradients: 0.65 param_rule { optimizer { base_lr: 1 } }"),
      bench.params());
  const UpdateReport report = optimizer.update(0);
  EXPECT_NEAR(report.gradient_norm, 1.3, 1e-6);
  EXPECT_NEAR(bench.values[0][0], 1 - 0.1 * 0.15, 1e-6);
  EXPECT_NEAR(bench.values[1][0], 0.5 - 0.6, 1e-6);
}

TEST(RuleOptimizer, SaysWhatHoldsForEachParameter) {
  Bench bench = two();
  bench.settings[1].lr_mult = 3;
  bench.settings[1].decay_mult = 2;
  const Optimizer optimizer(
      solver(kHundred + "momentum: 0.9 weight_decay: 0.25 param_rule { optimizer { type: 'Adam' "
                        "base_lr: 0.5 momentum: 0.5 weight_decay: 0.125 } }"),
      bench.params());
  EXPECT_FALSE(optimizer.uniform());
  EXPECT_NEAR(optimizer.rate(0, 5), 0.1, 1e-8);
  EXPECT_EQ(optimizer.rate(1, 5), 1.5);
  EXPECT_EQ(optimizer.weight_decay(0, 5), 0.25);
  EXPECT_EQ(optimizer.weight_decay(1, 5), 0.25);
  EXPECT_NEAR(optimizer.momentum(0, 5), 0.9, 1e-7);
  EXPECT_EQ(optimizer.momentum(1, 5), 0.5);
  EXPECT_THAT(optimizer.slot_names(0), ElementsAre("momentum"));
  EXPECT_THAT(optimizer.slot_names(1), ElementsAre("m", "v"));
  EXPECT_EQ(optimizer.group(1).rule, 0);
}

TEST(RuleOptimizer, UniformIfEveryoneHasTheSame) {
  Bench bench = two();
  EXPECT_TRUE(
      Optimizer(solver(kHundred + "param_rule { optimizer { base_lr: 1 } }"), bench.params())
          .uniform());
  EXPECT_FALSE(
      Optimizer(solver(kHundred + "param_rule { optimizer { type: 'Nesterov' } }"), bench.params())
          .uniform());
  EXPECT_FALSE(
      Optimizer(solver(kHundred + "param_rule { optimizer { momentum_form: LR_OUTSIDE } }"),
                bench.params())
          .uniform());
}

// Whatever can be written into it is a field of the solver.
TEST(RuleOptimizer, EveryFieldIsOneOfTheSolver) {
  config::SolverConfig config = solver(kHundred + "param_rule { optimizer {} }");
  caffe::OptimizerParameter& own = *config.param.mutable_param_rule(0)->mutable_optimizer();
  const auto* d = own.GetDescriptor();
  for (int i = 0; i < d->field_count(); ++i) {
    const auto* field = d->field(i);
    const auto* r = own.GetReflection();
    switch (field->cpp_type()) {
      case google::protobuf::FieldDescriptor::CPPTYPE_INT32:
        field->is_repeated() ? r->AddInt32(&own, field, 7) : r->SetInt32(&own, field, 7);
        break;
      case google::protobuf::FieldDescriptor::CPPTYPE_FLOAT:
        r->SetFloat(&own, field, 0.5f);
        break;
      case google::protobuf::FieldDescriptor::CPPTYPE_STRING:
        r->SetString(&own, field, "x");
        break;
      case google::protobuf::FieldDescriptor::CPPTYPE_ENUM:
        r->SetEnumValue(&own, field, 1);
        break;
      default:
        r->MutableMessage(&own, field);
    }
  }
  const config::SolverConfig out = with_optimizer_of(config, 0);
  EXPECT_EQ(out.param.type(), "x");
  EXPECT_EQ(out.param.stepvalue(0), 7);
  EXPECT_EQ(out.param.momentum_form(), caffe::LR_OUTSIDE);
  EXPECT_TRUE(out.param.has_plateau());
  EXPECT_EQ(out.param.param_rule_size(), 0);
}

TEST(RuleOptimizer, MistakesStandInTheRule) {
  const config::SolverConfig solver =
      config::parse_solver("solver.prototxt",
                           "net_param { layer { name: 'data' type: 'Input' top: 'data' } }\n"
                           "base_lr: 0.1 lr_policy: 'fixed'\n"
                           "momentum: 0.9\n"
                           "param_rule {\n"
                           "  optimizer {\n"
                           "    type: 'RMSProp'\n"
                           "    lr_policy: 'step'\n"
                           "    rms_decay: 2\n"
                           "    period: 5\n"
                           "    warmup {\n"
                           "      iterations: 0\n"
                           "    }\n"
                           "  }\n"
                           "}\n");
  Diagnostics found;
  found.guard([&] { Optimizer(solver, {}); });
  std::vector<std::string> places;
  for (const Error& error : found.errors()) {
    places.push_back(error.location.text() + " " + error.message.substr(0, 16));
    ASSERT_FALSE(error.notes.empty());
    EXPECT_EQ(error.notes[0].location.text(), "solver.prototxt:5:3");
  }
  EXPECT_THAT(places, testing::UnorderedElementsAre("solver.prototxt:3:1 momentum must be",
                                                    "solver.prototxt:8:5 rms_decay must b",
                                                    "solver.prototxt:9:5 period does noth",
                                                    "solver.prototxt:7:5 lr_policy: \"step",
                                                    "solver.prototxt:7:5 lr_policy: \"step",
                                                    "solver.prototxt:11:7 iterations must "));
}

TEST(RuleOptimizer, WhatOnlyTheSolversOwnChoiceReadsIsNotInherited) {
  for (const auto& [text, rule] :
       {std::pair("lr_policy: 'cosine_restarts' period: 9", "lr_policy: 'fixed'"),
        {"lr_policy: 'fixed' type: 'LARS' trust_coefficient: 1", "type: 'Adam'"},
        {"lr_policy: 'fixed' type: 'AdamW' adamw_decay: 0.1", "type: 'SGD'"},
        {"lr_policy: 'fixed' larc: true", "type: 'Nesterov'"},
        {"lr_policy: 'fixed' warmup_iter: 5", "warmup { iterations: 3 }"}}) {
    Bench bench = two();
    EXPECT_NO_THROW(Optimizer(solver(std::string("base_lr: 1 max_iter: 9 ") + text +
                                     " param_rule { optimizer { " + rule + " } }"),
                              bench.params()))
        << rule;
  }
}

// --- momentum and decay over the run

TEST(Curves, OfNvidia) {
  Bench bench = two();
  bench.settings.clear();
  const Optimizer poly(
      solver("base_lr: 0.25 lr_policy: 'poly' power: 1 max_iter: 100 momentum: 0.5 "
             "momentum_policy: 'poly' max_momentum: 0.75 momentum_power: 2 weight_decay: 0.5 "
             "weight_decay_policy: 'poly' max_weight_decay: 1.5"),
      bench.params());
  const Optimizer opt(solver("base_lr: 0.25 lr_policy: 'poly' power: 1 max_iter: 100 "
                             "momentum_policy: 'opt' max_momentum: 0.875"),
                      bench.params());
  for (int64_t t = 0; t < 100; ++t) {
    const double part = static_cast<double>(t) / 100;
    EXPECT_NEAR(poly.momentum(0, t), 0.5 + 0.25 * part * part, 1e-12);
    EXPECT_NEAR(poly.weight_decay(0, t), 0.5 + part, 1e-12);
    const double root = 1 - 0.5 * std::sqrt(0.25 * (1 - part));
    EXPECT_NEAR(opt.momentum(0, t), std::min(0.875, root * root), 1e-12);
  }
}

TEST(Curves, Schedules) {
  Bench bench = two();
  bench.settings.clear();
  const Optimizer optimizer(
      solver(kHundred +
             "momentum_schedule { point { at: 0 value: 0.5 } point { at: 1 value: 0.75 } "
             "unit: FRACTION } weight_decay_schedule { point { at: 10 value: 1 } point { "
             "at: 20 value: 2 } interpolation: STEP }"),
      bench.params());
  EXPECT_DOUBLE_EQ(optimizer.momentum(1, 50), 0.625);
  EXPECT_EQ(optimizer.weight_decay(1, 19), 1);
  EXPECT_EQ(optimizer.weight_decay(1, 20), 2);
}

// --- clipping

TEST(Clip, Scopes) {
  const auto step_of = [](const std::string& scope) {
    Bench bench;
    for (int p = 0; p < 3; ++p) bench.add({0, 0}, 1, 1);
    bench.gradients = {{3, 4}, {6, 8}, {0.3f, 0.4f}};
    bench.settings.resize(3);
    bench.settings[1].rules = {0, 1};
    bench.settings[2].rules = {1};
    Optimizer(solver("base_lr: 1 lr_policy: 'fixed' clip_gradients: 1 clip_scope: " + scope),
              bench.params())
        .update(0);
    std::vector<double> out;
    for (const auto& value : bench.values) out.push_back(std::hypot(value[0], value[1]));
    return out;
  };
  const auto near = [](std::vector<double> want) {
    std::vector<testing::Matcher<double>> out;
    for (const double x : want) out.push_back(testing::DoubleNear(x, 1e-6));
    return testing::ElementsAreArray(out);
  };
  const double all = std::sqrt(25 + 100 + 0.25), rule = std::sqrt(100 + 0.25);
  EXPECT_THAT(step_of("GLOBAL"), near({5 / all, 10 / all, 0.5 / all}));
  EXPECT_THAT(step_of("RULE"), near({1, 10 / rule, 0.5 / rule}));
  EXPECT_THAT(step_of("PARAMETER"), near({1, 1, 0.5}));
}

TEST(Clip, FrozenParametersAreNotInTheNorm) {
  Bench bench = two();
  bench.settings[1].freeze.until = 1;
  Optimizer optimizer(solver(kHundred + "clip_gradients: 100 param_rule { optimizer {} }"),
                      bench.params());
  EXPECT_NEAR(optimizer.update(0).gradient_norm, 0.5, 1e-6);
  EXPECT_NEAR(optimizer.update(1).gradient_norm, 1.3, 1e-6);
}

TEST(Clip, WhereAGradientFactorActs) {
  const auto step = [](const std::string& clip, bool before) {
    Bench bench;
    bench.add({0}, 1, 1);
    bench.add({0}, 1, 1);
    bench.gradients = {{3}, {4}};
    bench.settings.resize(2);
    bench.settings[0].grad_mult = 0.5;
    bench.settings[0].grad_mult_before_clip = before;
    Optimizer(solver("base_lr: 1 lr_policy: 'fixed' " + clip), bench.params()).update(0);
    return std::vector<float>{-bench.values[0][0], -bench.values[1][0]};
  };
  const float norm = static_cast<float>(std::sqrt(1.5 * 1.5 + 16));
  const auto is = [](float a, float b) {
    return ElementsAre(testing::FloatNear(a, 1e-6f), testing::FloatNear(b, 1e-6f));
  };
  EXPECT_THAT(step("", true), is(1.5f, 4));
  EXPECT_THAT(step("clip_gradients: 1", false), is(0.3f, 0.8f));
  EXPECT_THAT(step("clip_gradients: 1", true), is(1.5f / norm, 4 / norm));
  EXPECT_THAT(step("clip_value: 2", false), is(1, 2));
  EXPECT_THAT(step("clip_value: 2", true), is(1.5f, 2));
  EXPECT_THAT(step("clip_gradients: 1 clip_scope: PARAMETER", true), is(1, 1));
  EXPECT_THAT(step("clip_gradients: 1 clip_scope: PARAMETER", false), is(0.5f, 1));
}

// --- the moving average

TEST(Ema, FollowsItsFormula) {
  for (const bool warmup : {false, true}) {
    Bench bench = two();
    bench.settings.clear();
    Optimizer optimizer(solver(kHundred + "momentum: 0.9 ema { decay: 0.75 warmup: " +
                               (warmup ? "true" : "false") + " }"),
                        bench.params());
    optimizer.ema().start(optimizer.params());
    std::vector<double> average(bench.values[1].begin(), bench.values[1].end());
    for (int t = 0; t < 20; ++t) {
      optimizer.update(t);
      const double d = warmup ? std::min(0.75, (2.0 + t) / (11.0 + t)) : 0.75;
      for (size_t i = 0; i < average.size(); ++i)
        average[i] = d * average[i] + (1 - d) * bench.values[1][i];
    }
    for (size_t i = 0; i < average.size(); ++i)
      EXPECT_NEAR(optimizer.ema().average(1)[i], average[i], 1e-6);
    EXPECT_EQ(optimizer.ema().updates(), 20);
    const std::vector<float> value = bench.values[1];
    const float mean = optimizer.ema().average(1)[0];
    optimizer.ema().swap(optimizer.params());
    EXPECT_EQ(bench.values[1][0], mean);
    optimizer.ema().swap(optimizer.params());
    EXPECT_EQ(bench.values[1], value);
  }
}

TEST(Ema, OfWhatDoesNotMoveIsWhatItWas) {
  Bench bench = two();
  bench.settings[0].freeze.until = 1000;
  Optimizer optimizer(solver(kHundred + "ema {} param_rule { optimizer {} }"), bench.params());
  optimizer.ema().start(optimizer.params());
  for (int t = 0; t < 5; ++t) optimizer.update(t);
  EXPECT_EQ(optimizer.ema().average(0)[1], bench.values[0][1]);
}

// --- step counts

// With a count over the whole run the first step would be 3.16 rates long.
TEST(StepCount, AdamUnfrozenAtAThousandBeginsWithOneRate) {
  for (const std::string type : {"Adam", "AdamW", "AMSGrad"}) {
    Bench bench;
    bench.add({0}, 1, 1);
    bench.add({0}, 1, 1);
    bench.settings.resize(2);
    bench.settings[1].freeze.until = 1000;
    bench.gradients = {{0.7f}, {0.7f}};
    Optimizer optimizer(solver(kHundred + "momentum: 0.9 type: '" + type + "'"), bench.params());
    for (int t = 0; t < 1000; ++t) optimizer.update(t);
    EXPECT_EQ(bench.values[1][0], 0);
    EXPECT_EQ(optimizer.step_count(1), 0);
    optimizer.update(1000);
    EXPECT_NEAR(bench.values[1][0], -0.1 * 1.0, 1e-6) << type;
    EXPECT_EQ(optimizer.step_count(1), 1);
    EXPECT_EQ(optimizer.step_count(0), 1001);
  }
}

// --- wrong use

class GroupMistake : public testing::TestWithParam<Setting> {};

TEST_P(GroupMistake, IsExplained) {
  EXPECT_THAT(mistakes([] { Optimizer(solver(kHundred + GetParam().text), {}); }),
              HasSubstr(GetParam().name));
}

INSTANTIATE_TEST_SUITE_P(
    All, GroupMistake,
    testing::Values(
        Setting{"both momentum and momentum_schedule",
                "momentum: 0.9 momentum_schedule { point { at: 0 value: 0.9 } }"},
        Setting{"both weight_decay and weight_decay_schedule",
                "weight_decay: 0.9 weight_decay_schedule { point { at: 0 value: 0.9 } }"},
        Setting{"both momentum_policy and momentum_schedule",
                "momentum_policy: 'fixed' momentum_schedule { point { at: 0 value: 0.9 } }"},
        Setting{"momentum must be between -1 and 1 (exclusive) with type: \"SGD\", not 1",
                "momentum_schedule { point { at: 0 value: 1 } }"},
        Setting{"momentum must be in [0, 1) with type: \"Adam\", not -0.5",
                "type: 'Adam' momentum_schedule { point { at: 0 value: -0.5 } }"},
        Setting{"type: \"AdaGrad\" has no momentum",
                "type: 'AdaGrad' momentum_schedule { point { at: 0 value: 0 } }"},
        Setting{"a schedule needs at least one point", "weight_decay_schedule {}"},
        Setting{"unknown momentum_policy 'ploy' | did you mean 'poly'?", "momentum_policy: 'ploy'"},
        Setting{"unknown weight_decay_policy 'opt'", "weight_decay_policy: 'opt'"},
        Setting{"momentum_power must be >= 0", "momentum_policy: 'poly' momentum_power: -1"},
        Setting{"max_momentum must be in [0, 1)", "momentum_policy: 'poly' max_momentum: 1"},
        Setting{"clip_value must be > 0, or < 0", "clip_value: 0"},
        Setting{"both clip_gradients and clip_value", "clip_gradients: 1 clip_value: 1"},
        Setting{"clip_scope does nothing without clip_gradients", "clip_scope: RULE"},
        Setting{"decay must be in [0, 1) with ema, not 1", "ema { decay: 1 }"},
        Setting{"unknown optimizer 'Sgd'", "param_rule { optimizer { type: 'Sgd' } }"},
        Setting{"momentum2 must be in [0, 1)",
                "param_rule { optimizer { type: 'Adam' momentum2: 1 } }"}));

TEST(GroupErrors, PolynomsNeedALength) {
  for (const char* field : {"momentum_policy", "weight_decay_policy"})
    EXPECT_THAT(
        mistakes([&] {
          Optimizer(solver(std::string("base_lr: 1 lr_policy: 'fixed' ") + field + ": 'poly'"), {});
        }),
        HasSubstr("needs max_iter"));
}

}  // namespace
}  // namespace crema::optim
