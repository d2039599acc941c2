// The rate that is applied, measured from the steps of a run of 300 iterations: for every policy,
// every kind of multiplier and every optimizer it is the closed form to 1e-6, and so it is in a run
// that was cut at 150 and went on from its state.
#include <gmock/gmock.h>

#include <cmath>
#include <functional>
#include <numbers>

#include "optim/bench.hpp"
#include "optim/solver.hpp"

namespace crema::optim {
namespace {

using std::numbers::pi;

constexpr int64_t kUpdates = 300, kCut = 150;
const RunLength kLength{kUpdates, 60};

double wave(double part) {
  return (1 + std::cos(pi * part)) / 2;
}

struct PolicyCase {
  const char* name;
  const char* text;
  std::function<double(int64_t)> rate;
};
void PrintTo(const PolicyCase& c, std::ostream* out) {
  *out << c.name;
}

// The metric that the plateau follows.
double loss(int64_t t) {
  return t < 100 ? 1.0 / static_cast<double>(1 + t) : 1;
}

const double kBase = f(0.4f), kGamma = f(0.7f), kLow = f(0.05f);

const PolicyCase kPolicies[] = {
    {"fixed", "'fixed'", [](int64_t) { return kBase; }},
    {"step", "'step' gamma: 0.7 stepsize: 40",
     [](int64_t t) { return kBase * std::pow(kGamma, t / 40); }},
    {"exp", "'exp' gamma: 0.99", [](int64_t t) { return kBase * std::pow(f(0.99f), t); }},
    {"inv", "'inv' gamma: 0.01 power: 0.75",
     [](int64_t t) { return kBase / std::pow(1 + f(0.01f) * t, 0.75); }},
    {"multistep", "'multistep' gamma: 0.7 stepvalue: 90 stepvalue: 91 stepvalue: 200",
     [](int64_t t) { return kBase * std::pow(kGamma, (t >= 90) + (t >= 91) + (t >= 200)); }},
    {"poly", "'poly' power: 0.5", [](int64_t t) { return kBase * std::sqrt(1 - t / 300.0); }},
    {"sigmoid", "'sigmoid' gamma: 0.02 stepsize: 100",
     [](int64_t t) { return kBase / (1 + std::exp(-f(0.02f) * (t - 100))); }},
    {"linear", "'linear'", [](int64_t t) { return kBase * (1 - t / 300.0); }},
    {"cosine", "'cosine' min_lr: 0.05",
     [](int64_t t) { return kLow + (kBase - kLow) * wave(t / 300.0); }},
    {"flat_cosine", "'flat_cosine' flat_fraction: 0.5",
     [](int64_t t) { return t < 150 ? kBase : kBase * wave((t - 150) / 150.0); }},
    {"cosine_restarts", "'cosine_restarts' period: 20 period_mult: 2 restart_mult: 0.5",
     [](int64_t t) {
       const int k = (t >= 20) + (t >= 60) + (t >= 140);
       return kBase * std::pow(0.5, k) * wave((t - 20.0 * ((1 << k) - 1)) / (20 << k));
     }},
    {"one_cycle", "'one_cycle' one_cycle { pct_start: 0.5 anneal: LINEAR }",
     [](int64_t t) {
       const double low = kBase / 25;
       return t <= 149 ? low + (kBase - low) * t / 149
                       : kBase + (low / 10000 - kBase) * (t - 149) / 150;
     }},
    {"sgdr", "'sgdr' period: 50 p_mult: 2 lr_mult: 0.5 min_lr: 0.05",
     [](int64_t t) {
       const int k = (t >= 50) + (t >= 150);
       const double part = (t - 50.0 * ((1 << k) - 1)) / (50 << k);
       return kLow + (kBase * std::pow(0.5, k) - kLow) * wave(part);
     }},
    {"multifixed", "'multifixed' stagelr: 0.4 stageiter: 99 stagelr: 0.05 stageiter: 250",
     [](int64_t t) { return t <= 99 ? kBase : kLow; }},
    {"plateau", "'plateau' plateau { patience: 49 factor: 0.7 }",
     [](int64_t t) { return kBase * std::pow(kGamma, t < 149 ? 0 : 1 + (t - 149) / 50); }},
    {"warmup", "'exp' gamma: 0.99 warmup { iterations: 30 start_factor: 0.1 shape: QUADRATIC }",
     [](int64_t t) {
       const double rate = kBase * std::pow(f(0.99f), t), a = t / 30.0;
       return t < 30 ? rate * (f(0.1f) + (1 - f(0.1f)) * a * a) : rate;
     }},
    {"warmup_of_intel", "'poly' power: 1 warmup_iter: 160 warmup_start_lr: 0.05",
     [](int64_t t) {
       return t < 160 ? (t * kBase + (160 - t) * kLow) / 160 : kBase * (1 - t / 300.0);
     }},
    {"rampup_of_nvidia", "'step' gamma: 0.7 stepsize: 100 rampup_interval: 30 min_lr: 0.05",
     [](int64_t t) {
       return std::max(
           kLow, t < 30 ? kBase * (t / 30.0) * (t / 30.0) : kBase * std::pow(kGamma, t / 100));
     }},
};

struct Multiplier {
  const char* name;
  const char* text;  // of a Schedule; "" for the number 0.5
  std::function<double(int64_t)> value;
  FreezeTime freeze;
};

double between(double from, double to, double part) {
  return from + (to - from) * std::clamp(part, 0.0, 1.0);
}

const Multiplier kMultipliers[] = {
    {"number", "", [](int64_t) { return 0.5; }, {}},
    {"line",
     "point { at: 30 value: 0.5 } point { at: 230 value: 4 }",
     [](int64_t t) { return between(0.5, 4, (t - 30) / 200.0); },
     {}},
    {"wave",
     "point { at: 0 value: 1 } point { at: 1 value: 0.125 } interpolation: COSINE unit: FRACTION",
     [](int64_t t) { return between(1, 0.125, 1 - wave(t / 300.0)); },
     {}},
    {"steps",
     "point { at: 1 value: 2 } point { at: 2.5 value: 0.5 } interpolation: STEP unit: EPOCH",
     [](int64_t t) { return t < 150 ? 2 : 0.5; },
     {}},
    {"freeze",
     "point { at: 0 value: 1 } point { at: 300 value: 2 }",
     [](int64_t t) { return t < 40 || t >= 250 ? 0 : 1 + t / 300.0; },
     {40, 250}},
};

Schedule schedule(const std::string& text) {
  if (text.empty()) return 0.5;
  caffe::Schedule out;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &out));
  return Schedule::read(out, {}, kLength);
}

// In a form in which the direction of a step does not depend on its rate.
std::string rule_text(const Setting& rule) {
  std::string text = rule.text;
  for (const auto& [from, to] :
       {std::pair("momentum: 0.9", "momentum: 0.5"),
        {"momentum: 0.8", "momentum: 0.5"},
        {"trust_coefficient: 0.05", "trust_coefficient: 1000"},
        {"larc_policy: 'clip' larc_eta: 0.1", "larc_policy: 'clip' larc_eta: 1000"}})
    if (const size_t at = text.find(from); at != std::string::npos)
      text.replace(at, std::string(from).size(), to);
  return text;
}

// A run of one parameter of two elements. Before each update element 0 is put to 0, so that its
// step is what it is after it, and element 1 to 1, so that there is a norm.
class Measurement {
 public:
  Measurement(const config::SolverConfig& solver, const ParamSettings& settings)
      : optimizer_(solver, {{"w", value_, gradient_, settings}}, kLength) {}

  // Update t: the rate that was applied.
  struct Applied {
    double rate;
    double rounding;  // of the rate: that of the old velocity, from which it is told apart
  };
  Applied update(int64_t t) {
    if (MetricFollower* follower = optimizer_.groups()[0]->policy->follower())
      follower->observe(t, loss(t));
    const Group& group = optimizer_.group(0);
    value_[0] = 0;
    value_[1] = 1;
    gradient_[0] = static_cast<float>(0.5 + 0.25 * std::sin(0.3 * static_cast<double>(t)));
    gradient_[1] = 1;
    StepInfo info;
    info.rate = info.policy_rate = 1;
    info.momentum = optimizer_.momentum(0, t);
    info.momentum_scale = group.policy->momentum_scale(t);
    std::vector<float> unit = value_;
    std::vector<std::vector<float>> copies;
    std::vector<std::span<float>> slots;
    optimizer_.prepare(t);
    info.step_count = optimizer_.step_count(0);
    for (size_t k = 0; k < optimizer_.slot_names(0).size(); ++k) {
      copies.emplace_back(optimizer_.slot(k, 0).begin(), optimizer_.slot(k, 0).end());
      copies.back().resize(value_.size());  // a frozen parameter has none
    }
    for (std::vector<float>& copy : copies) slots.emplace_back(copy);
    // What the step holds that is not of this update: old velocity with its rates inside.
    double old = 0;
    if (group.update->rate_in_velocity()) {
      const double mu = info.momentum, h = copies[0][0] * info.momentum_scale;
      old = group.type == "Nesterov" ? (1 + mu) * mu * h - mu * h : mu * h;
    }
    group.update->step({unit, gradient_, slots}, info);
    optimizer_.update(t);
    const double direction = -unit[0] - old;
    return {(-value_[0] - (value_[0] == 0 ? 0 : old)) / direction,
            std::abs(std::ldexp(old, -22) / direction)};
  }

  void continue_from(Measurement& other, int64_t t) {
    optimizer_.prepare(t);
    for (size_t k = 0; k < optimizer_.slot_names(0).size(); ++k)
      std::copy(other.optimizer_.slot(k, 0).begin(), other.optimizer_.slot(k, 0).end(),
                optimizer_.slot(k, 0).begin());
    optimizer_.set_step_count(0, other.optimizer_.step_count(0));
    if (MetricFollower* follower = optimizer_.groups()[0]->policy->follower())
      follower->set_state(other.optimizer_.groups()[0]->policy->follower()->state());
  }
  float weight() const { return value_[0]; }
  double said(int64_t t) const { return optimizer_.rate(0, t); }

 private:
  std::vector<float> value_{0, 1}, gradient_{0, 0};
  Optimizer optimizer_;
};

class AppliedRate : public testing::TestWithParam<PolicyCase> {};

TEST_P(AppliedRate, IsTheClosedFormAlsoAcrossAResume) {
  const PolicyCase& policy = GetParam();
  for (const Setting& rule : kAllRules)
    for (const Multiplier& multiplier : kMultipliers) {
      SCOPED_TRACE(std::string(rule.name) + " " + multiplier.name);
      const config::SolverConfig config =
          solver(rule_text(rule) + " base_lr: 0.4 max_iter: 300 lr_policy: " + policy.text);
      ParamSettings settings;
      settings.lr_mult = schedule(multiplier.text);
      settings.freeze = multiplier.freeze;
      Measurement whole(config, settings), resumed(config, settings);
      for (int64_t t = 0; t < kUpdates; ++t) {
        const double want = policy.rate(t) * multiplier.value(t);
        const auto [applied, rounding] = whole.update(t);
        ASSERT_NEAR(applied, want, 1e-6 * want + rounding) << "iteration " << t;
        ASSERT_NEAR(whole.said(t), want, 1e-9 * want) << "iteration " << t;
        if (t == kCut - 1) resumed.continue_from(whole, kCut);
        if (t < kCut) continue;
        ASSERT_EQ(resumed.update(t).rate, applied) << "iteration " << t;
        ASSERT_EQ(resumed.weight(), whole.weight()) << "iteration " << t;
      }
    }
}

INSTANTIATE_TEST_SUITE_P(All, AppliedRate, testing::ValuesIn(kPolicies),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(AppliedRates, EveryPolicyAndOptimizerIsMeasured) {
  std::vector<std::string> names, types;
  for (const PolicyCase& policy : kPolicies) names.emplace_back(policy.name);
  EXPECT_THAT(names, testing::IsSupersetOf(Registry<PolicyTag>::instance().names()));
  for (const Setting& rule : kAllRules) types.push_back(solver(rule.text).param.type());
  EXPECT_THAT(types, testing::IsSupersetOf(Registry<RuleTag>::instance().names()));
}

}  // namespace
}  // namespace crema::optim
