// lr_policy: "plateau"   rate = base_lr * factor^k,   k = drops so far
//
// The rate drops when the metric has not become better for more than `patience` observations, then
// not before `cooldown` more have passed (PyTorch's ReduceLROnPlateau). Given plateau_winsize
// instead, it is that of NVIDIA's, Intel's and SSD's Caffe: rate = base_lr * gamma^k, k growing
// when the smoothed training loss has had no new minimum for plateau_winsize[k] iterations.
#include <fmt/format.h>

#include <cmath>

#include "optim/fields.hpp"
#include "optim/policy.hpp"

namespace crema::optim {
namespace {

class Plateau : public LrPolicy, public MetricFollower {
 public:
  double rate(int64_t) const override {
    return base_ * std::pow(factor_, static_cast<double>(state_.drops));
  }
  int current_step(int64_t) const override { return static_cast<int>(state_.drops); }
  MetricFollower* follower() override { return this; }
  const Metric& metric() const override { return metric_; }
  const FollowerState& state() const override { return state_; }
  void set_state(const FollowerState& state) override { state_ = state; }

 protected:
  void drop(int64_t t) {
    ++state_.drops;
    state_.last_event = t;
    state_.waited = 0;
  }
  void improve(int64_t t, double value) {
    state_.started = true;
    state_.best = value;
    state_.last_event = t;
    state_.waited = 0;
  }

  double base_ = 0, factor_ = 1;
  Metric metric_;
  FollowerState state_;
};

class Patient : public Plateau {
 public:
  Patient(const caffe::PlateauParameter& param, double base) : param_(param) {
    base_ = base;
    factor_ = param.factor();
    metric_ = {param.metric(), param.phase() == caffe::PlateauParameter::TEST, param.test_net()};
  }
  bool observe(int64_t t, double value) override {
    if (t <= state_.last_iteration) return false;
    state_.last_iteration = t;
    state_.sum += value;
    if (++state_.count < (metric_.test ? 1 : param_.interval())) return false;
    const double mean = state_.sum / static_cast<double>(state_.count);
    state_.sum = 0;
    state_.count = 0;
    return judge(t, mean);
  }
  std::string formula() const override {
    return fmt::format(
        "base_lr * factor^k, k growing when {} {} {} stands still",
        metric_.test ? "the test's" : "the training's", metric_.name,
        param_.mode() == caffe::PlateauParameter::MAX ? "(to be high)" : "(to be low)");
  }

 private:
  bool better(double value) const {
    if (!state_.started) return !std::isnan(value);
    const double best = state_.best, by = param_.threshold();
    const bool relative = param_.threshold_mode() == caffe::PlateauParameter::REL;
    if (param_.mode() == caffe::PlateauParameter::MAX)
      return value > (relative ? best * (1 + by) : best + by);
    return value < (relative ? best * (1 - by) : best - by);
  }
  bool judge(int64_t t, double value) {
    if (better(value))
      improve(t, value);
    else
      ++state_.waited;
    if (state_.cooldown > 0) {
      --state_.cooldown;
      state_.waited = 0;
    }
    if (state_.waited <= param_.patience()) return false;
    drop(t);
    state_.cooldown = param_.cooldown();
    return true;
  }
  caffe::PlateauParameter param_;
};

class Windows : public Plateau {
 public:
  Windows(std::vector<double> windows, double base, double gamma) : windows_(std::move(windows)) {
    base_ = base;
    factor_ = gamma;
  }
  bool observe(int64_t t, double value) override {
    if (t <= state_.last_iteration) return false;
    state_.last_iteration = t;
    if (state_.started ? value < state_.best : !std::isnan(value)) improve(t, value);
    const auto k = static_cast<size_t>(state_.drops);
    if (k >= windows_.size()) return false;
    if (static_cast<double>(t - state_.last_event) < windows_[k]) return false;
    drop(t);
    return true;
  }
  std::string formula() const override {
    return "base_lr * gamma^k, k growing when the smoothed loss has no new minimum for "
           "plateau_winsize[k] iterations";
  }

 private:
  std::vector<double> windows_;
};

std::unique_ptr<LrPolicy> make_windows(const config::SolverConfig& solver, Fields& fields,
                                       double base) {
  const double gamma = fields.required("gamma", "gamma: 0.1 to divide the rate by 10");
  fields.check(gamma >= 0, "gamma", ">= 0");
  std::vector<double> windows = fields.numbers("plateau_winsize");
  for (size_t i = 0; i < windows.size(); ++i)
    fields.check(windows[i] > 0, fmt::format("plateau_winsize[{}]", i), "> 0");
  if (solver.param.has_plateau())
    fields.fail("plateau", "both plateau and plateau_winsize are given").advise("keep one");
  fields.done();
  return std::make_unique<Windows>(std::move(windows), base, gamma);
}

void check_own(const caffe::PlateauParameter& param, Fields& fields) {
  const auto at_least = [&](const char* field, double least, std::string what) {
    fields.check(fields.number(field) >= least, field, std::move(what));
  };
  at_least("interval", 1, ">= 1");
  at_least("patience", 0, ">= 0");
  at_least("cooldown", 0, ">= 0");
  at_least("threshold", 0, ">= 0");
  at_least("test_net", 0, ">= 0: test nets are counted from 0");
  const double factor = fields.number("factor");
  fields.check(factor > 0 && factor < 1, "factor", "between 0 and 1 (exclusive)",
               "the rate is multiplied by it; 0.1 is common");
  if (param.metric() != "loss" && !param.has_mode())
    fields.fail("metric", fmt::format("plateau must know what is good in '{}'", param.metric()))
        .advise("write mode: MAX for an accuracy, mode: MIN for an error");
  const bool test = param.phase() == caffe::PlateauParameter::TEST;
  if (test && param.has_interval())
    fields.fail("interval", "interval does nothing with phase: TEST: every test pass counts");
  if (!test && param.has_test_net())
    fields.fail("test_net", "test_net does nothing with phase: TRAIN");
}

std::unique_ptr<LrPolicy> make_plateau(const config::SolverConfig& solver) {
  Fields fields(solver, "lr_policy");
  const double base = fields.required("base_lr", "base_lr: 0.01, for example");
  if (fields.has("plateau_winsize")) return make_windows(solver, fields, base);
  if (!fields.has("plateau"))
    fields.fail("plateau", "lr_policy: \"plateau\" needs plateau, which is not set")
        .advise("write plateau { metric: \"accuracy\" phase: TEST mode: MAX patience: 5 }, say");
  Fields inner(solver.param.plateau(), solver.places.inside("plateau"), "plateau");
  check_own(solver.param.plateau(), inner);
  Diagnostics found;
  found.guard([&] { fields.done(); });
  found.guard([&] { inner.done(); });
  found.throw_if_any();
  return std::make_unique<Patient>(solver.param.plateau(), base);
}

CREMA_REGISTER(PolicyTag, "plateau", {make_plateau, {"plateau", "plateau_winsize"}});

}  // namespace
}  // namespace crema::optim
