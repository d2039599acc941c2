#include "optim/optimizer.hpp"

#include <gmock/gmock.h>

#include <bit>
#include <cmath>
#include <functional>
#include <limits>

#include "base/parallel.hpp"
#include "optim/bench.hpp"
#include "optim/solver.hpp"

namespace crema::optim {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// A plain reference in double, written from the formulas: one parameter element at a time.
struct Reference {
  caffe::SolverParameter s;
  std::vector<std::vector<double>> w, a, b;  // values, first and second history

  // grads: sums over iter_size passes.
  void update(int64_t t, double rate, std::vector<std::vector<double>> g,
              const std::vector<double>& lr_mults, const std::vector<double>& decay_mults) {
    const double clip = s.clip_gradients(), n = s.iter_size();
    const auto scale_all = [&](double by) {
      for (auto& p : g)
        for (double& x : p) x *= by;
    };
    const auto clip_all = [&] {
      double sum = 0;
      for (auto& p : g)
        for (double x : p) sum += x * x;
      if (clip >= 0 && std::sqrt(sum) > clip) scale_all(clip / std::sqrt(sum));
    };
    if (s.caffe_compat()) clip_all();
    scale_all(1 / n);
    if (!s.caffe_compat()) clip_all();
    if (s.clip_value() > 0)
      for (auto& p : g)
        for (double& x : p) x = std::clamp(x, -double{s.clip_value()}, double{s.clip_value()});
    for (size_t p = 0; p < w.size(); ++p)
      for (size_t i = 0; i < w[p].size(); ++i) {
        double x = g[p][i];
        const double lambda = s.weight_decay() * decay_mults[p];
        if (s.regularization_type() == "L2") x += lambda * w[p][i];
        if (s.regularization_type() == "L1") x += lambda * ((w[p][i] > 0) - (w[p][i] < 0));
        w[p][i] -= step(t, rate * lr_mults[p], x, a[p][i], b[p][i]);
      }
  }

  double step(int64_t t, double r, double g, double& h, double& k) const {
    const double mu = s.momentum(), delta = s.delta();
    if (s.type() == "SGD") return h = mu * h + r * g;
    if (s.type() == "Nesterov") {
      const double old = h;
      h = mu * h + r * g;
      return (1 + mu) * h - mu * old;
    }
    if (s.type() == "AdaGrad") {
      h += g * g;
      return r * g / (std::sqrt(h) + delta);
    }
    if (s.type() == "RMSProp") {
      h = s.rms_decay() * h + (1 - s.rms_decay()) * g * g;
      return r * g / (std::sqrt(h) + delta);
    }
    if (s.type() == "AdaDelta") {
      h = mu * h + (1 - mu) * g * g;
      const double u = g * std::sqrt((k + delta) / (h + delta));
      k = mu * k + (1 - mu) * u * u;
      return r * u;
    }
    h = mu * h + (1 - mu) * g;
    k = s.momentum2() * k + (1 - s.momentum2()) * g * g;
    const double n = static_cast<double>(t + 1);
    return r * std::sqrt(1 - std::pow(s.momentum2(), n)) / (1 - std::pow(mu, n)) * h /
           (std::sqrt(k) + delta);
  }
};

const std::string kRate = " base_lr: 0.05 lr_policy: 'step' gamma: 0.5 stepsize: 20 ";

class RuleTest : public testing::TestWithParam<std::tuple<Setting, Setting>> {};

TEST_P(RuleTest, FollowsItsFormulaFor50Updates) {
  const auto& [rule, extra] = GetParam();
  const config::SolverConfig config = solver(rule.text + kRate + extra.text);
  Bench bench;
  const double mults[][2] = {{1, 1}, {2, 0}, {0, 1}, {-0.5, 2}, {0.1, -1}};
  for (size_t p = 0; p < 5; ++p) {
    std::vector<float> value;
    for (size_t i = 0; i < 5 + p; ++i)
      value.push_back(i == 2 ? 0.0f : 0.5f * static_cast<float>(std::cos(3.0 * (p + i * i))));
    bench.add(value, mults[p][0], mults[p][1]);
  }
  Reference reference{config.param, {}, {}, {}};
  for (const auto& value : bench.values) {
    reference.w.emplace_back(value.begin(), value.end());
    reference.a.emplace_back(value.size());
    reference.b.emplace_back(value.size());
  }
  const std::vector<std::vector<float>> start = bench.values;
  Optimizer optimizer(config, bench.params());
  for (int64_t t = 0; t < 50; ++t) {
    std::vector<std::vector<double>> sums;
    for (size_t p = 0; p < bench.values.size(); ++p) {
      sums.emplace_back();
      for (size_t i = 0; i < bench.values[p].size(); ++i) {
        const double passes = config.param.iter_size();
        bench.gradients[p][i] = static_cast<float>(passes * pull(bench.values[p][i], p, i));
        sums[p].push_back(passes * pull(reference.w[p][i], p, i));
      }
    }
    const UpdateReport report = optimizer.update(t);
    reference.update(t, report.rate, sums, bench.lr_mults, bench.decay_mults);
  }
  for (size_t p = 0; p < bench.values.size(); ++p) {
    EXPECT_EQ(optimizer.step_count(p), 50);
    for (size_t i = 0; i < bench.values[p].size(); ++i) {
      EXPECT_NEAR(bench.values[p][i], reference.w[p][i], 2e-5 + 2e-5 * std::abs(reference.w[p][i]))
          << p << "," << i;
      const double h = reference.a[p][i];
      EXPECT_NEAR(optimizer.slot(0, p)[i], h, 1e-5 + 1e-4 * std::abs(h));
    }
  }
  EXPECT_EQ(bench.values[2], start[2]) << "lr_mult 0";
  EXPECT_NE(bench.values[0], start[0]);
}

const Setting kRules[] = {
    {"SGD", "type: 'SGD' momentum: 0.9"},
    {"Nesterov", "type: 'Nesterov' momentum: 0.8"},
    {"AdaGrad", "type: 'AdaGrad' delta: 1e-4"},
    {"RMSProp", "type: 'RMSProp' rms_decay: 0.9 delta: 1e-3"},
    {"AdaDelta", "type: 'AdaDelta' momentum: 0.95 delta: 1e-4"},
    {"Adam", "type: 'Adam' momentum: 0.9 momentum2: 0.99 delta: 1e-4"},
};
const Setting kExtras[] = {
    {"Plain", ""},
    {"L2", "weight_decay: 0.1"},
    {"L1", "weight_decay: 0.01 regularization_type: 'L1'"},
    {"IterSize", "iter_size: 3"},
    {"Clip", "clip_gradients: 0.5 weight_decay: 0.02"},
    {"ClipMean", "clip_gradients: 0.5 iter_size: 4 weight_decay: 0.02"},
    {"ClipValue", "clip_value: 0.2 iter_size: 2 weight_decay: 0.02"},
    {"ClipSum", "clip_gradients: 0.5 iter_size: 4 weight_decay: 0.02 caffe_compat: true"},
};
INSTANTIATE_TEST_SUITE_P(All, RuleTest,
                         testing::Combine(testing::ValuesIn(kRules), testing::ValuesIn(kExtras)),
                         [](const auto& test) {
                           return std::string(std::get<0>(test.param).name) + "_" +
                                  std::get<1>(test.param).name;
                         });

TEST(Rule, AllOfBvlcUnderItsNamesAndSgdByDefault) {
  EXPECT_THAT(Registry<RuleTag>::instance().names(),
              testing::IsSupersetOf({"AdaDelta", "AdaGrad", "Adam", "Nesterov", "RMSProp", "SGD"}));
  EXPECT_EQ(make_rule(solver(""))->formula(), make_rule(solver("type: 'SGD'"))->formula());
  EXPECT_THAT(make_rule(solver("type: 'Adam'"))->slots(), ElementsAre("m", "v"));
  EXPECT_EQ(make_rule(solver("type: 'AdaDelta'"))->slots().size(), 2u);
  for (const char* one : {"SGD", "Nesterov", "AdaGrad", "RMSProp"})
    EXPECT_EQ(make_rule(solver(std::string("type: '") + one + "'"))->slots().size(), 1u) << one;
}

const std::string kSgd = "base_lr: 0.1 lr_policy: 'fixed' ";

// loss = (x - y)^2 with lr_mult 1 for x and 2 for y.
TEST(Optimizer, ToyProblemOfTheReadme) {
  Bench bench;
  bench.add({1}, 1, 1);
  bench.add({0}, 2, 1);
  Optimizer optimizer(solver(kSgd), bench.params());
  const double x[] = {0.8, 0.72, 0.688, 0.6752, 0.67008};
  const double y[] = {0.4, 0.56, 0.624, 0.6496, 0.65984};
  for (int t = 0; t < 5; ++t) {
    const float slope = 2 * (bench.values[0][0] - bench.values[1][0]);
    bench.gradients[0][0] = slope;
    bench.gradients[1][0] = -slope;
    optimizer.update(t);
    EXPECT_NEAR(bench.values[0][0], x[t], 1e-6);
    EXPECT_NEAR(bench.values[1][0], y[t], 1e-6);
  }
}

TEST(Optimizer, ReportsRateNormAndClipping) {
  Bench bench;
  bench.add({0, 0}, 1, 1);
  bench.add({0}, 0, 1);  // frozen, yet part of the norm
  bench.gradients = {{6, 0}, {8}};
  UpdateReport report = Optimizer(solver(kSgd), bench.params()).update(0);
  EXPECT_EQ(report.gradient_norm, -1);
  EXPECT_EQ(report.clip_scale, 1);
  report = Optimizer(solver(kSgd + "clip_gradients: 100"), bench.params()).update(0);
  EXPECT_DOUBLE_EQ(report.gradient_norm, 10);
  EXPECT_EQ(report.clip_scale, 1);
  report = Optimizer(solver(kSgd + "clip_gradients: 4 iter_size: 2"), bench.params()).update(0);
  EXPECT_DOUBLE_EQ(report.gradient_norm, 5);
  EXPECT_DOUBLE_EQ(report.clip_scale, 0.8);
  EXPECT_FLOAT_EQ(static_cast<float>(report.rate), 0.1f);
  report =
      Optimizer(solver(kSgd + "clip_gradients: 4 iter_size: 2 caffe_compat: true"), bench.params())
          .update(0);
  EXPECT_DOUBLE_EQ(report.gradient_norm, 10);
  EXPECT_DOUBLE_EQ(report.clip_scale, 0.4);
}

TEST(Optimizer, NormOfHugeGradientsDoesNotOverflow) {
  Bench bench;
  bench.add({0, 0}, 1, 1);
  bench.gradients = {{3e30f, 4e30f}};
  Optimizer optimizer(solver(kSgd + "clip_gradients: 1"), bench.params());
  EXPECT_NEAR(optimizer.update(0).gradient_norm, 5e30, 1e24);
  EXPECT_NEAR(bench.values[0][0], -0.06, 1e-6);
}

TEST(Optimizer, LeavesGradientsAsTheyAre) {
  Bench bench;
  bench.add({1, 2}, 1, 1);
  bench.gradients = {{3, 4}};
  Optimizer(solver(kSgd + "clip_gradients: 1 iter_size: 2 weight_decay: 0.1"), bench.params())
      .update(0);
  EXPECT_THAT(bench.gradients[0], ElementsAre(3, 4));
}

// Large enough for several threads and several norm blocks.
TEST(Optimizer, TheNumberOfThreadsChangesNothing) {
  const auto run = [](int threads, const Setting& rule) {
    start_compute_threads(threads);
    Bench bench;
    std::vector<float> value(100003);
    for (size_t i = 0; i < value.size(); ++i) value[i] = static_cast<float>(std::sin(0.37 * i));
    bench.add(value, 1, 1);
    bench.add({1, 2, 3}, 1, 1);
    for (size_t i = 0; i < value.size(); ++i)
      bench.gradients[0][i] = static_cast<float>(std::cos(0.11 * i));
    Optimizer optimizer(solver(rule.text + kRate + "weight_decay: 0.01 clip_gradients: 1"),
                        bench.params());
    for (int t = 0; t < 3; ++t) optimizer.update(t);
    return bench.values;
  };
  const int before = compute_threads();
  for (const Setting& rule : kAllRules) {
    const auto one = run(1, rule);
    EXPECT_EQ(run(2, rule), one) << rule.name;
    EXPECT_EQ(run(5, rule), one) << rule.name;
  }
  start_compute_threads(before);
}

TEST(Optimizer, ARateOfZeroLeavesEveryBit) {
  const float odd[] = {-0.0f, 0.0f, 1e-30f, -1.5f, 1e35f};
  for (const Setting& rule : kAllRules)
    for (const double lr_mult : {0.0, -0.0}) {
      Bench bench;
      bench.add({std::begin(odd), std::end(odd)}, lr_mult, 1);
      bench.gradients = {{-1, 1, -2, 0, 1e-3f}};
      Optimizer optimizer(solver(rule.text + kRate), bench.params());
      for (int t = 0; t < 3; ++t) optimizer.update(t);
      for (size_t i = 0; i < std::size(odd); ++i)
        EXPECT_EQ(std::bit_cast<uint32_t>(bench.values[0][i]), std::bit_cast<uint32_t>(odd[i]))
            << rule.name << " " << i;
    }
}

// As in Caffe: a frozen parameter's decay still enters the history of adaptive rules.
TEST(Optimizer, FrozenParametersKeepTheHistoryOfCaffe) {
  Bench bench;
  bench.add({2}, 0, 1);
  Optimizer sgd(solver(kSgd + "momentum: 0.9 weight_decay: 0.5"), bench.params());
  sgd.update(0);
  EXPECT_EQ(sgd.slot(0, 0)[0], 0);
  Optimizer adagrad(solver(kSgd + "type: 'AdaGrad' weight_decay: 0.5"), bench.params());
  adagrad.update(0);
  EXPECT_EQ(adagrad.slot(0, 0)[0], 1);
  EXPECT_EQ(bench.values[0][0], 2);
}

// As in Caffe: the velocity that a state brings along runs out even where lr_mult is 0 now.
TEST(Optimizer, OldVelocityRunsOutAtLrMultZero) {
  Bench bench;
  bench.add({1}, 0, 1);
  bench.gradients = {{5}};
  Optimizer optimizer(solver(kSgd + "momentum: 0.5"), bench.params());
  optimizer.slot(0, 0)[0] = 0.5f;
  optimizer.update(0);
  EXPECT_EQ(bench.values[0][0], 0.75f);
  optimizer.update(1);
  EXPECT_EQ(bench.values[0][0], 0.625f);
}

// Padding of opaque layouts: zero in value and gradient.
TEST(Optimizer, ZerosStayZero) {
  for (const Setting& rule : kAllRules)
    for (const Setting& extra : kExtras) {
      // Some know no L1, which is tested elsewhere.
      if (std::string(extra.name) == "L1" &&
          !mistakes([&] { make_rule(solver(rule.text + kRate + extra.text)); }).empty())
        continue;
      Bench bench;
      bench.add({0, 1, 0}, 1, 1);
      bench.gradients = {{0, 1, 0}};
      Optimizer optimizer(solver(rule.text + kRate + extra.text), bench.params());
      for (int t = 0; t < 3; ++t) optimizer.update(t);
      EXPECT_EQ(bench.values[0][0], 0) << rule.name << extra.name;
      EXPECT_EQ(bench.values[0][2], 0) << rule.name << extra.name;
      EXPECT_LT(bench.values[0][1], 1);
    }
}

TEST(Optimizer, AdamCorrectsEachParameterByItsOwnCount) {
  Bench bench;
  bench.add({0}, 1, 1);
  bench.add({0}, 1, 1);
  bench.gradients = {{1}, {1}};
  Optimizer optimizer(solver(kSgd + "type: 'Adam' momentum: 0.9"), bench.params());
  optimizer.set_step_count(1, 100000);
  optimizer.update(7);
  EXPECT_NEAR(bench.values[0][0], -0.1, 1e-6) << "a first update is one rate long";
  // No correction left: m = 0.1, sqrt(v) = sqrt(0.001).
  EXPECT_NEAR(bench.values[1][0], -0.1 * 0.1 / std::sqrt(0.001), 1e-5);
  EXPECT_EQ(optimizer.step_count(0), 1);
  EXPECT_EQ(optimizer.step_count(1), 100001);
}

TEST(Optimizer, StateCarriesARunOn) {
  Bench whole, half;
  for (Bench* b : {&whole, &half}) {
    b->add({1, 2}, 1, 1);
    b->add({3}, 2, 1);
    b->gradients = {{0.1f, 0.2f}, {0.3f}};
  }
  const auto config = solver(kSgd + "type: 'Adam' momentum: 0.9");
  Optimizer all(config, whole.params()), first(config, half.params());
  for (int t = 0; t < 6; ++t) all.update(t);
  for (int t = 0; t < 3; ++t) first.update(t);
  Optimizer second(config, half.params());
  ASSERT_EQ(second.slot_names(0).size(), 2u);
  for (size_t slot = 0; slot < 2; ++slot)
    for (size_t p = 0; p < 2; ++p) {
      ASSERT_EQ(first.slot(slot, p).size(), half.values[p].size());
      std::copy(first.slot(slot, p).begin(), first.slot(slot, p).end(),
                second.slot(slot, p).begin());
      second.set_step_count(p, first.step_count(p));
    }
  for (int t = 3; t < 6; ++t) second.update(t);
  EXPECT_EQ(half.values, whole.values);
}

// --- wrong use

std::string wrong_settings(const std::string& text, std::vector<Param> params = {}) {
  return mistakes([&] { Optimizer(solver(text), std::move(params)); });
}

TEST(OptimizerErrors, UnknownType) {
  EXPECT_THAT(wrong_settings(kSgd + "type: 'sgd'"), HasSubstr("did you mean 'SGD'?"));
  EXPECT_THAT(wrong_settings(kSgd + "type: 'Tiger'"), HasSubstr("unknown optimizer 'Tiger'"));
}

class OptimizerMistake : public testing::TestWithParam<Setting> {};

TEST_P(OptimizerMistake, IsExplained) {
  EXPECT_THAT(wrong_settings(kSgd + GetParam().text), HasSubstr(GetParam().name));
}

INSTANTIATE_TEST_SUITE_P(
    All, OptimizerMistake,
    testing::Values(Setting{"momentum must be 0 with type: \"AdaGrad\", not 0.9",
                            "type: 'AdaGrad' momentum: 0.9"},
                    Setting{"momentum must be 0 with type: \"RMSProp\"",
                            "type: 'RMSProp' momentum: 0.5"},
                    Setting{"rms_decay must be in [0, 1)", "type: 'RMSProp' rms_decay: 1"},
                    Setting{"rms_decay must be in [0, 1)", "type: 'RMSProp' rms_decay: -0.1"},
                    Setting{"rms_decay must be a finite number", "type: 'RMSProp' rms_decay: nan"},
                    Setting{"momentum must be between -1 and 1", "momentum: 1"},
                    Setting{"momentum must be between -1 and 1", "type: 'Nesterov' momentum: 9"},
                    Setting{"momentum must be a finite number, not nan", "momentum: nan"},
                    Setting{"momentum must be in [0, 1)", "type: 'Adam' momentum: 1"},
                    Setting{"momentum must be in [0, 1)", "type: 'Adam' momentum: -0.1"},
                    Setting{"momentum2 must be in [0, 1)", "type: 'Adam' momentum2: 1"},
                    Setting{"momentum must be in [0, 1)", "type: 'AdaDelta' momentum: 1"},
                    Setting{"delta must be > 0", "type: 'Adam' delta: 0"},
                    Setting{"delta must be > 0", "type: 'AdaGrad' delta: -1e-8"},
                    Setting{"delta must be > 0", "type: 'RMSProp' delta: 0"},
                    Setting{"delta must be > 0", "type: 'AdaDelta' delta: 0"},
                    Setting{"iter_size must be > 0, not 0", "iter_size: 0"},
                    Setting{"iter_size must be > 0, not -2", "iter_size: -2"},
                    Setting{"clip_gradients must be > 0, or < 0", "clip_gradients: 0"},
                    Setting{"clip_gradients must be a finite number", "clip_gradients: nan"},
                    Setting{"weight_decay must be a finite number", "weight_decay: inf"},
                    Setting{"unknown regularization_type 'L3'", "regularization_type: 'L3'"},
                    Setting{"unknown regularization_type 'l1'", "regularization_type: 'l1'"}));

TEST(OptimizerErrors, AllAreShownTogether) {
  const std::string all = wrong_settings("type: 'Tiger' iter_size: 0 lr_policy: 'fixed'");
  EXPECT_THAT(all, HasSubstr("unknown optimizer"));
  EXPECT_THAT(all, HasSubstr("iter_size"));
  EXPECT_THAT(all, HasSubstr("base_lr"));
}

// Each points at its field, or where the field is absent at what asks for it.
TEST(OptimizerErrors, StandWhereTheyWereWritten) {
  const config::SolverConfig solver =
      config::parse_solver("solver.prototxt",
                           "net_param { layer { name: 'data' type: 'Input' top: 'data' } }\n"
                           "base_lr: 0.1\n"
                           "lr_policy: 'multistep'\n"
                           "stepvalue: 9\n"
                           "stepvalue: 8\n"
                           "type: 'AdaGrad'\n"
                           "  momentum: 0.9\n");
  Diagnostics found;
  found.guard([&] { Optimizer(solver, {}); });
  std::vector<std::string> places;
  for (const Error& error : found.errors())
    places.push_back(error.location.text() + " " + error.message.substr(0, 12));
  EXPECT_THAT(places,
              ElementsAre("solver.prototxt:3:1 lr_policy: \"",  // gamma is absent
                          "solver.prototxt:5:1 stepvalue 8 ", "solver.prototxt:7:3 momentum mus"));
}

TEST(OptimizerErrors, MultipliersMustBeFinite) {
  Bench bench;
  bench.add({1}, std::nan(""), 1);
  bench.add({1}, 1, INFINITY);
  const std::string all = wrong_settings(kSgd, bench.params());
  EXPECT_THAT(all, HasSubstr("lr_mult of parameter 'p0' must be finite"));
  EXPECT_THAT(all, HasSubstr("decay_mult of parameter 'p1' must be finite"));
}

TEST(OptimizerErrors, SizesOfValueAndGradientAreAPromise) {
  std::vector<float> two(2), three(3);
  EXPECT_THROW(Optimizer(solver(kSgd), {Param{"p", two, three, {}}}), LogicError);
}

}  // namespace
}  // namespace crema::optim
