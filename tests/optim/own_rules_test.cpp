// The optimizers and forms that BVLC does not have, against their formulas written a second time,
// in double and for whole parameters.
#include <gmock/gmock.h>

#include <cmath>
#include <map>

#include "optim/bench.hpp"
#include "optim/solver.hpp"

namespace crema::optim {
namespace {

using testing::HasSubstr;
using Vector = std::vector<double>;

double length(const Vector& x) {
  double sum = 0;
  for (const double v : x) sum += v * v;
  return std::sqrt(sum);
}

// One parameter's memory.
struct Memory {
  Vector w, m, v, k;
};

// The numbers of one update: g without decay, the parameter's decay, updates including this one.
struct Now {
  double rate, mult, mu, decay;
  double n;
  double solver_decay;
};

// type: what w loses, per element.
using Formula = std::function<void(const caffe::SolverParameter&, Memory&, const Vector&, Now)>;

double ratio(double coefficient, const Vector& w, const Vector& g, double decay) {
  const double a = length(w), b = length(g);
  return a > 0 && b > 0 ? coefficient * a / (b + decay * a) : 1;
}

void momentum_sgd(Memory& p, const Vector& g, const Now& now, double r) {
  for (size_t i = 0; i < g.size(); ++i) {
    p.m[i] = now.mu * p.m[i] + r * (g[i] + now.decay * p.w[i]);
    p.w[i] -= p.m[i];
  }
}

// m and v of Adam, then fn(element, corrected m, corrected v).
template <class Fn>
void adam(const caffe::SolverParameter& s, Memory& p, const Vector& g, const Now& now, Fn fn) {
  const double b2 = s.momentum2();
  for (size_t i = 0; i < g.size(); ++i) {
    p.m[i] = now.mu * p.m[i] + (1 - now.mu) * g[i];
    p.v[i] = b2 * p.v[i] + (1 - b2) * g[i] * g[i];
    fn(i, p.m[i] / (1 - std::pow(now.mu, now.n)), p.v[i] / (1 - std::pow(b2, now.n)));
  }
}

const std::map<std::string, Formula> kFormulas = {
    {"SgdOutside",
     [](auto&, Memory& p, const Vector& g, Now now) {
       for (size_t i = 0; i < g.size(); ++i) {
         p.m[i] = now.mu * p.m[i] + g[i] + now.decay * p.w[i];
         p.w[i] -= now.rate * now.mult * p.m[i];
       }
     }},
    {"NesterovOutside",
     [](auto&, Memory& p, const Vector& g, Now now) {
       for (size_t i = 0; i < g.size(); ++i) {
         const double x = g[i] + now.decay * p.w[i];
         p.m[i] = now.mu * p.m[i] + x;
         p.w[i] -= now.rate * now.mult * (x + now.mu * p.m[i]);
       }
     }},
    {"LARS",
     [](auto& s, Memory& p, const Vector& g, Now now) {
       momentum_sgd(p, g, now,
                    now.rate * now.mult * ratio(s.trust_coefficient(), p.w, g, now.decay));
     }},
    {"LarsOutside",
     [](auto& s, Memory& p, const Vector& g, Now now) {
       const double k = ratio(s.trust_coefficient(), p.w, g, now.decay);
       for (size_t i = 0; i < g.size(); ++i) {
         p.m[i] = now.mu * p.m[i] + k * (g[i] + now.decay * p.w[i]);
         p.w[i] -= now.rate * now.mult * p.m[i];
       }
     }},
    {"LARC",
     [](auto& s, Memory& p, const Vector& g, Now now) {
       const double k = ratio(s.trust_coefficient(), p.w, g, now.decay);
       momentum_sgd(p, g, now, now.mult * std::min(now.rate, k));
     }},
    {"LarcOfNvidia",
     [](auto& s, Memory& p, const Vector& g, Now now) {
       const double k = (1 - now.mu) * ratio(s.larc_eta(), p.w, g, 0);
       momentum_sgd(p, g, now, now.rate * now.mult * k);
     }},
    {"LarcClipOfNvidia",
     [](auto& s, Memory& p, const Vector& g, Now now) {
       const double k = (1 - now.mu) * ratio(s.larc_eta(), p.w, g, 0);
       momentum_sgd(p, g, now, now.mult * std::min(now.rate, k));
     }},
    {"LarsOfIntel",
     [](auto& s, Memory& p, const Vector& g, Now now) {
       const double k = ratio(s.local_gw_ratio(), p.w, g, now.solver_decay);
       momentum_sgd(p, g, now, now.rate * now.mult * k);
     }},
    {"AdamW",
     [](auto& s, Memory& p, const Vector& g, Now now) {
       const double r = now.rate * now.mult;
       adam(s, p, g, now, [&](size_t i, double m, double v) {
         p.w[i] -= r * (m / (std::sqrt(v) + s.delta()) + now.decay * p.w[i]);
       });
     }},
    {"AMSGrad",
     [](auto& s, Memory& p, Vector g, Now now) {
       for (size_t i = 0; i < g.size(); ++i) g[i] += now.decay * p.w[i];
       const double fix = std::sqrt(1 - std::pow(double{s.momentum2()}, now.n));
       adam(s, p, g, now, [&](size_t i, double m, double) {
         p.k[i] = std::max(p.k[i], p.v[i]);
         p.w[i] -= now.rate * now.mult * fix * m / (std::sqrt(p.k[i]) + s.delta());
       });
     }},
    {"AmsGradOfJolibrain",
     [](auto& s, Memory& p, Vector g, Now now) {
       for (size_t i = 0; i < g.size(); ++i) g[i] += now.decay * p.w[i];
       const Vector before = p.v;
       const double fix = std::sqrt(1 - std::pow(double{s.momentum2()}, now.n));
       adam(s, p, g, now, [&](size_t i, double m, double) {
         p.v[i] = std::max(before[i], p.v[i]);
         p.w[i] -= now.rate * now.mult * fix * m / (std::sqrt(p.v[i]) + s.delta());
       });
     }},
    {"LAMB",
     [](auto& s, Memory& p, const Vector& g, Now now) {
       Vector u(g.size());
       adam(s, p, g, now, [&](size_t i, double m, double v) {
         u[i] = m / (std::sqrt(v) + s.delta()) + now.decay * p.w[i];
       });
       const double a = length(p.w), b = length(u);
       const double r = now.rate * now.mult * (a > 0 && b > 0 ? a / b : 1);
       for (size_t i = 0; i < g.size(); ++i) p.w[i] -= r * u[i];
     }},
    {"Lion",
     [](auto&, Memory& p, const Vector& g, Now now) {
       const double b2 = double{0.99f};
       for (size_t i = 0; i < g.size(); ++i) {
         const double c = now.mu * p.m[i] + (1 - now.mu) * g[i];
         p.w[i] -= now.rate * now.mult * ((c > 0) - (c < 0) + now.decay * p.w[i]);
         p.m[i] = b2 * p.m[i] + (1 - b2) * g[i];
       }
     }},
};

const Setting kOwnExtras[] = {
    {"Plain", ""},
    {"Decay", "weight_decay: 0.1"},
    {"IterSize", "iter_size: 3 weight_decay: 0.01"},
    {"Clip", "clip_gradients: 0.5 weight_decay: 0.02"},
    {"ClipValue", "clip_value: 0.15 iter_size: 2 weight_decay: 0.02"},
    {"Momentum", "momentum_schedule { point { at: 0 value: 0.5 } point { at: 40 value: 0.9 } }"},
};

class OwnRule : public testing::TestWithParam<std::tuple<Setting, Setting>> {};

// The mean gradients of all parameters as they come out of the clipping.
std::vector<Vector> clipped(const caffe::SolverParameter& s, std::vector<Vector> g) {
  double sum = 0;
  for (const Vector& x : g) sum += length(x) * length(x);
  const double norm = std::sqrt(sum);
  for (Vector& x : g)
    for (double& v : x) {
      if (s.clip_gradients() > 0 && norm > s.clip_gradients()) v *= s.clip_gradients() / norm;
      if (s.clip_value() > 0) v = std::clamp(v, -double{s.clip_value()}, double{s.clip_value()});
    }
  return g;
}

TEST_P(OwnRule, FollowsItsFormulaFor50Updates) {
  const auto& [rule, extra] = GetParam();
  std::string text = rule.text;
  const bool scheduled = std::string(extra.name) == "Momentum";
  if (scheduled && text.find(" momentum: 0.") != std::string::npos)
    text.erase(text.find(" momentum: 0."), 14);
  const config::SolverConfig config =
      solver(text + " base_lr: 0.02 lr_policy: 'step' gamma: 0.5 stepsize: 20 " + extra.text);
  const caffe::SolverParameter& s = config.param;
  const double mults[][2] = {{1, 1}, {2, 0}, {0, 1}, {0.1, 2}};
  Bench bench;
  std::vector<Memory> memory;
  for (size_t p = 0; p < 4; ++p) {
    std::vector<float> value;
    for (size_t i = 0; i < 5 + p; ++i)
      value.push_back(i == 2 ? 0.0f : 0.5f * static_cast<float>(std::cos(3.0 * (p + i * i))));
    bench.add(value, mults[p][0], mults[p][1]);
    const Vector zero(value.size());
    memory.push_back({Vector(value.begin(), value.end()), zero, zero, zero});
  }
  Optimizer optimizer(config, bench.params());
  for (int64_t t = 0; t < 50; ++t) {
    std::vector<Vector> means;
    for (size_t p = 0; p < memory.size(); ++p) {
      means.emplace_back();
      for (size_t i = 0; i < memory[p].w.size(); ++i) {
        bench.gradients[p][i] = static_cast<float>(s.iter_size() * pull(bench.values[p][i], p, i));
        means[p].push_back(pull(memory[p].w[i], p, i));
      }
    }
    means = clipped(s, means);
    const double rate = optimizer.update(t).rate;
    for (size_t p = 0; p < memory.size(); ++p) {
      const double mu = scheduled          ? 0.5 + 0.4 * std::min<double>(t, 40) / 40
                        : s.has_momentum() ? s.momentum()
                                           : 0.9;
      kFormulas.at(rule.name)(s, memory[p], means[p],
                              {rate, mults[p][0], mu, s.weight_decay() * mults[p][1],
                               static_cast<double>(t + 1), s.weight_decay()});
    }
  }
  for (size_t p = 0; p < memory.size(); ++p)
    for (size_t i = 0; i < memory[p].w.size(); ++i)
      EXPECT_NEAR(bench.values[p][i], memory[p].w[i], 3e-5 + 3e-5 * std::abs(memory[p].w[i]))
          << p << "," << i;
}

std::vector<Setting> own_rules() {
  std::vector<Setting> out;
  for (const Setting& rule : kAllRules)
    if (kFormulas.contains(rule.name)) out.push_back(rule);
  return out;
}
INSTANTIATE_TEST_SUITE_P(
    All, OwnRule, testing::Combine(testing::ValuesIn(own_rules()), testing::ValuesIn(kOwnExtras)),
    [](const auto& test) {
      return std::string(std::get<0>(test.param).name) + "_" + std::get<1>(test.param).name;
    });

TEST(OwnRules, EveryFormulaIsTried) {
  EXPECT_EQ(own_rules().size(), kFormulas.size());
}

// --- what the forms of momentum have in common, and what not

const std::string kTwoForms[] = {"momentum_form: LR_INSIDE ", "momentum_form: LR_OUTSIDE "};

// The weights after `updates` updates, with a fixed gradient of 1.
float run_form(const std::string& text, int updates, Schedule lr_mult = {}) {
  Bench bench;
  bench.add({0}, 1, 1);
  bench.settings.resize(1);
  bench.settings[0].lr_mult = std::move(lr_mult);
  bench.gradients = {{1}};
  Optimizer optimizer(solver("base_lr: 0.125 momentum: 0.5 max_iter: 100 " + text), bench.params());
  for (int t = 0; t < updates; ++t) optimizer.update(t);
  return bench.values[0][0];
}

TEST(MomentumForm, TheSameWhileTheRateIsTheSame) {
  for (const std::string type : {"type: 'SGD' ", "type: 'Nesterov' "})
    EXPECT_NEAR(run_form(type + "lr_policy: 'fixed' " + kTwoForms[0], 20),
                run_form(type + "lr_policy: 'fixed' " + kTwoForms[1], 20), 1e-6);
}

TEST(MomentumForm, InsideOldVelocityRunsOnOutsideItStops) {
  caffe::Schedule drop;
  for (const auto& [at, value] : {std::pair(0, 1), {4, 0}}) {
    drop.add_point()->set_at(at);
    drop.mutable_point(drop.point_size() - 1)->set_value(value);
  }
  drop.set_interpolation(caffe::Schedule::STEP);
  const Schedule to_zero = Schedule::read(drop, {}, {});
  const std::string fixed = "lr_policy: 'fixed' ";
  EXPECT_LT(run_form(fixed + kTwoForms[0], 30, to_zero), run_form(fixed + kTwoForms[0], 4));
  EXPECT_EQ(run_form(fixed + kTwoForms[1], 30, to_zero), run_form(fixed + kTwoForms[1], 4));
}

// Rescaling the velocity with the rate is what keeping the rate outside of it does by itself.
TEST(MomentumForm, CorrectedDuringTheWarmupInsideIsOutside) {
  const std::string warmup =
      "lr_policy: 'fixed' warmup { iterations: 10 start_factor: 0.1 momentum_correction: ";
  for (const std::string type : {"type: 'SGD' ", "type: 'Nesterov' "}) {
    const float outside = run_form(type + warmup + "false } " + kTwoForms[1], 30);
    EXPECT_NEAR(run_form(type + warmup + "true } " + kTwoForms[0], 30), outside, 2e-6);
    EXPECT_GT(std::abs(run_form(type + warmup + "false } " + kTwoForms[0], 30) - outside), 0.01);
  }
}

// --- trust ratios

// The multiplier counts: half the lr_mult is half the step, under every one of them.
TEST(TrustRatio, ComposesWithTheMultiplier) {
  for (const Setting& rule : kAllRules) {
    if (!std::string(rule.name).starts_with("LAR") && !std::string(rule.name).starts_with("Lar") &&
        std::string(rule.name) != "LAMB")
      continue;
    Bench bench;
    bench.add({1, 2}, 1, 1);
    bench.add({1, 2}, 0.5, 1);
    bench.gradients = {{0.3f, 0.1f}, {0.3f, 0.1f}};
    Optimizer optimizer(solver(std::string(rule.text) + " base_lr: 0.5 lr_policy: 'fixed'"),
                        bench.params());
    optimizer.update(0);
    for (size_t i = 0; i < 2; ++i) {
      const float before = i == 0 ? 1.0f : 2.0f;
      EXPECT_NE(bench.values[0][i], before) << rule.name;
      EXPECT_NEAR(before - bench.values[1][i], 0.5f * (before - bench.values[0][i]), 1e-6)
          << rule.name;
    }
  }
}

// --- wrong use

class OwnRuleMistake : public testing::TestWithParam<Setting> {};

TEST_P(OwnRuleMistake, IsExplained) {
  EXPECT_THAT(mistakes([] {
                Optimizer(solver(std::string("base_lr: 0.1 lr_policy: 'fixed' ") + GetParam().text),
                          {});
              }),
              HasSubstr(GetParam().name));
}

INSTANTIATE_TEST_SUITE_P(
    All, OwnRuleMistake,
    testing::Values(
        Setting{"momentum_form does nothing with type: \"Adam\"",
                "type: 'Adam' momentum_form: LR_OUTSIDE"},
        Setting{"trust_coefficient does nothing with type: \"SGD\" | it belongs to type: "
                "\"LARC\" and \"LARS\"",
                "trust_coefficient: 1"},
        Setting{"trust_coefficient must be > 0", "type: 'LARS' trust_coefficient: 0"},
        Setting{"trust_coefficient must be > 0", "type: 'LARC' trust_coefficient: -1"},
        Setting{"momentum must be between -1 and 1", "type: 'LARS' momentum: 1"},
        Setting{"LARS knows no L1 decay", "type: 'LARS' regularization_type: 'L1'"},
        Setting{"LARC knows no L1 decay", "type: 'LARC' regularization_type: 'L1'"},
        Setting{"AdamW knows no L1 decay", "type: 'AdamW' regularization_type: 'L1'"},
        Setting{"LAMB knows no L1 decay", "type: 'LAMB' regularization_type: 'L1'"},
        Setting{"Lion knows no L1 decay", "type: 'Lion' regularization_type: 'L1'"},
        Setting{"for decoupled weight decay write type: \"AdamW\"",
                "type: 'Adam' regularization_type: 'decoupled'"},
        Setting{"momentum must be in [0, 1)", "type: 'AdamW' momentum: 1"},
        Setting{"momentum2 must be in [0, 1)", "type: 'LAMB' momentum2: 1"},
        Setting{"momentum2 must be in [0, 1)", "type: 'Lion' momentum2: -1"},
        Setting{"delta must be > 0", "type: 'AMSGrad' delta: 0"},
        Setting{"both weight_decay and adamw_decay",
                "type: 'AdamW' weight_decay: 0.1 adamw_decay: 0.1"},
        Setting{"adamw_decay does nothing with type: \"Adam\"", "type: 'Adam' adamw_decay: 0.1"},
        Setting{"write rectified: false", "type: 'Adam' amsgrad: true"},
        Setting{"both larc and local_lr_auto", "larc: true local_lr_auto: true"},
        Setting{"larc does nothing with type: \"Adam\"", "type: 'Adam' larc: true"},
        Setting{"unknown larc_policy 'scal' | did you mean 'scale'?",
                "larc: true larc_policy: 'scal'"},
        Setting{"larc_turbo is not there", "larc: true larc_turbo: true"},
        Setting{"larc_eta must be > 0", "larc: true larc_eta: 0"},
        Setting{"larc_eta does nothing without larc: true", "larc_eta: 1"},
        Setting{"local_gw_ratio does nothing without local_lr_auto", "local_gw_ratio: 1"},
        Setting{"momentum_form: LR_OUTSIDE is not that of larc",
                "larc: true momentum_form: LR_OUTSIDE"},
        Setting{"there is no momentum to correct: type: \"Adam\"",
                "type: 'Adam' warmup { iterations: 5 momentum_correction: true }"},
        Setting{"there is no momentum to correct",
                "momentum_form: LR_OUTSIDE warmup { iterations: 5 momentum_correction: true }"}));

}  // namespace
}  // namespace crema::optim
