// Hundreds of solvers that nobody chose run under the verifier: the good ones in silence, those
// with a planted fault not.
#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>

#include <cmath>

#include "base/files.hpp"
#include "base/random.hpp"
#include "train/trainer_fixture.hpp"

namespace crema::train {
namespace {

constexpr int kIterations = 50;

// Draws valid settings: what one choice forbids another is left out.
class Generator {
 public:
  explicit Generator(uint64_t seed) : stream_(seed, "random solver") {}

  caffe::SolverParameter draw() {
    solver_.set_net(CREMA_TEST_DIR "/train/verify_net.prototxt");
    solver_.set_max_iter(kIterations);
    solver_.set_random_seed(static_cast<int64_t>(below(1000)));
    solver_.set_verify_interval(1);
    solver_.set_snapshot_after_train(false);
    solver_.set_type(optimizer(solver_));
    solver_.set_base_lr(rate(solver_.type()));
    policy();
    if (chance(0.5)) solver_.set_weight_decay(pick<float>({0.0005f, 0.01f}));
    if (chance(0.3)) solver_.set_iter_size(2);
    clipping();
    if (chance(0.2)) solver_.set_bias_lr_mult(2);
    if (chance(0.2)) solver_.set_norm_decay_mult(0);
    if (chance(0.2)) solver_.set_layer_decay(0.75f);
    if (chance(0.2)) solver_.mutable_warmup()->set_iterations(10);
    if (chance(0.2)) solver_.mutable_ema()->set_decay(0.9f);
    const int rules = static_cast<int>(below(5));
    for (int r = 0; r < rules; ++r) rule(*solver_.add_param_rule());
    return solver_;
  }

 private:
  uint64_t below(uint64_t n) { return stream_.below(next_++, n); }
  bool chance(double share) { return stream_.uniform(next_++) < share; }
  template <class T>
  T pick(std::initializer_list<T> choices) {
    return *(choices.begin() + below(choices.size()));
  }

  // For the solver, or for a rule's own optimizer.
  template <class Settings>
  std::string optimizer(Settings& settings) {
    const std::string type =
        pick<std::string>({"SGD", "Nesterov", "Adam", "AdaGrad", "RMSProp", "AdaDelta", "AdamW",
                           "AMSGrad", "LAMB", "LARS", "LARC", "Lion"});
    const bool velocity = type == "SGD" || type == "Nesterov" || type == "LARS" || type == "LARC";
    settings.set_momentum(type == "AdaGrad" || type == "RMSProp" ? 0.0f
                                                                 : pick<float>({0.5f, 0.9f}));
    if (velocity && chance(0.5)) settings.set_momentum_form(caffe::LR_OUTSIDE);
    if (type == "AdaDelta") settings.set_delta(1e-6f);
    if (type == "LARS" || type == "LARC") settings.set_trust_coefficient(0.05f);
    return type;
  }
  static float rate(const std::string& type) {
    if (type == "AdaDelta") return 1;
    return type == "SGD" || type == "Nesterov" || type.starts_with("LAR") ? 0.02f : 0.002f;
  }
  void policy() {
    const std::string name = pick<std::string>(
        {"fixed", "step", "exp", "inv", "multistep", "poly", "sigmoid", "linear", "cosine"});
    solver_.set_lr_policy(name);
    if (name == "step" || name == "exp" || name == "inv" || name == "multistep")
      solver_.set_gamma(name == "exp" ? 0.97f : name == "inv" ? 0.01f : 0.5f);
    if (name == "sigmoid") solver_.set_gamma(0.1f);
    if (name == "inv" || name == "poly") solver_.set_power(0.75f);
    if (name == "step" || name == "sigmoid") solver_.set_stepsize(15);
    if (name == "multistep")
      for (const int step : {10, 30}) solver_.add_stepvalue(step);
  }
  void clipping() {
    if (chance(0.3)) {
      solver_.set_clip_gradients(pick<float>({0.2f, 5.0f}));
      solver_.set_clip_scope(
          pick<caffe::ClipScope>({caffe::GLOBAL, caffe::RULE, caffe::PARAMETER}));
      if (chance(0.3)) solver_.set_caffe_compat(true);
    } else if (chance(0.3)) {
      solver_.set_clip_value(0.05f);
    }
  }
  void schedule(caffe::Schedule& out, double largest) {
    out.set_interpolation(pick<caffe::Schedule::Interpolation>(
        {caffe::Schedule::LINEAR, caffe::Schedule::COSINE, caffe::Schedule::STEP}));
    const bool fraction = chance(0.5);
    if (fraction) out.set_unit(caffe::FRACTION);
    for (const double share : {0.1, 0.4, 0.9}) {
      caffe::Schedule::Point& point = *out.add_point();
      point.set_at(fraction ? share : std::floor(share * kIterations));
      point.set_value(largest * stream_.uniform(next_++));
    }
  }
  void rule(caffe::ParamRule& out) {
    if (chance(0.2))
      out.add_type(pick<std::string>({"Convolution", "InnerProduct"}));
    else
      out.add_match(pick<std::string>({"conv*", "*/bias", "conv1/weight", "ip1", "scale2/*",
                                       "head/weight", "bn2", "*/weight", "conv[12]/1"}));
    if (chance(0.5)) out.set_lr_mult(pick<float>({0, 0.01f, 0.1f, 3, 10}));
    if (!out.has_lr_mult() && chance(0.5)) schedule(*out.mutable_lr_mult_schedule(), 2);
    if (chance(0.3)) out.set_decay_mult(pick<float>({0, 2}));
    if (chance(0.2)) out.set_grad_mult(pick<float>({0.1f, 2}));
    if (chance(0.2)) out.set_grad_mult_at(caffe::ParamRule::BEFORE_CLIP);
    freeze(out);
    if (chance(0.2)) {
      caffe::OptimizerParameter& own = *out.mutable_optimizer();
      own.set_type(optimizer(own));
      own.set_base_lr(rate(own.type()));
    }
    if (!out.has_lr_mult() && !out.has_lr_mult_schedule()) out.set_lr_mult(0.5f);
  }
  void freeze(caffe::ParamRule& out) {
    switch (below(8)) {
      case 0:
        out.set_freeze(caffe::ParamRule::ALWAYS);
        break;
      case 1:
        out.set_freeze_until(static_cast<double>(below(40)));
        break;
      case 2:
        out.set_freeze_from(static_cast<double>(10 + below(40)));
        break;
      case 3:
        out.set_freeze_until(static_cast<double>(1 + below(10)));
        out.set_freeze_from(static_cast<double>(20 + below(20)));
        break;
      default:
        return;
    }
    if (chance(0.3)) out.set_frozen_slots(caffe::ParamRule::HOLD);
    // Statistics that were never collected, or are fixed for a part of the run only, are refused.
    if (chance(0.3) || (out.match_size() > 0 && out.match(0) == "bn2"))
      out.set_bn_stats(caffe::ParamRule::LIVE);
  }

  RandomStream stream_;
  uint64_t next_ = 0;
  caffe::SolverParameter solver_;
};

class VerifiedRates : public TrainerFixture {
 protected:
  struct Outcome {
    std::vector<report::Alarm> alarms;
    int verified = 0, measured = 0;
  };
  // Runs a solver from its file, as a user would write it.
  Outcome run(const caffe::SolverParameter& drawn, TrainOptions options,
              std::function<void(Trainer&)> after = {}) {
    std::string text;
    google::protobuf::TextFormat::PrintToString(drawn, &text);
    const std::string path = (folder_ / "solver.prototxt").string();
    write_file_atomically(path, text);
    events_.clear();
    options.after_update = [&](int64_t, double, double) {
      if (after) after(*trainer_);
    };
    Trainer trainer(config::read_solver(path), std::move(options), context_);
    trainer_ = &trainer;
    trainer.run();
    Outcome out;
    for (const report::Event& event : events_) {
      if (const auto* alarm = std::get_if<report::Alarm>(&event)) out.alarms.push_back(*alarm);
      const auto* verified = std::get_if<report::Verified>(&event);
      if (verified == nullptr) continue;
      ++out.verified;
      for (const report::Verified::Param& p : verified->params)
        out.measured += p.realised.has_value();
    }
    return out;
  }
  static std::string told(const Outcome& outcome) {
    std::string out;
    for (const report::Alarm& alarm : outcome.alarms)
      out += fmt::format("{}: {}: {}\n", alarm.iteration, alarm.kind, alarm.text);
    return out;
  }
  std::string drawn_text() const {
    return read_file((folder_ / "solver.prototxt").string(), ErrorCode::kData);
  }

  Trainer* trainer_ = nullptr;
};

TEST_F(VerifiedRates, two_hundred_random_solvers_raise_no_alarm) {
  int measured = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    const Outcome outcome = run(Generator(seed).draw(), {});
    EXPECT_EQ(outcome.verified, kIterations);
    measured += outcome.measured;
    ASSERT_EQ(told(outcome), "") << "seed " << seed << "\n" << drawn_text();
  }
  EXPECT_GT(measured, 200 * kIterations * 4) << "silence must not come from looking away";
}

// What is done wrong to one parameter: user files the six under the names below.
struct Fault {
  const char* name;
  const char* victim;
  std::vector<std::string> types;  // optimizers of the victim under which it is a fault
};
const std::vector<Fault> kFaults{
    {"gradient scaled instead of the step",
     "conv2/weight",
     {"Adam", "AdamW", "RMSProp", "AdaGrad"}},
    {"multiplier lost to the trust ratio", "head/weight", {"LARS"}},
    {"multiplier erased by clipping the parameter", "ip1/weight", {"SGD", "Nesterov"}},
    {"reported but not applied", "conv1/weight", {"SGD", "Adam", "Lion", "LAMB"}},
    {"decays although frozen", "ip1/weight", {"SGD", "AdamW"}},
    {"frozen but moving", "conv1/bias", {"SGD", "Adam"}},
};

TEST_F(VerifiedRates, fifty_random_solvers_with_a_planted_fault_raise_one) {
  for (uint64_t n = 0; n < 50; ++n) {
    const Fault& fault = kFaults[n % kFaults.size()];
    const std::string& type = fault.types[n / kFaults.size() % fault.types.size()];
    const bool frozen = n % kFaults.size() >= 4;
    caffe::SolverParameter drawn = Generator(1000 + n).draw();
    caffe::ParamRule& rule = *drawn.add_param_rule();
    rule.add_match(fault.victim);
    rule.set_lr_mult(0.1f);
    rule.set_freeze(frozen ? caffe::ParamRule::ALWAYS : caffe::ParamRule::NEVER);
    rule.mutable_optimizer()->set_type(type);
    rule.mutable_optimizer()->set_momentum(type == "RMSProp" || type == "AdaGrad" ? 0 : 0.9f);
    const auto is_victim = [&](size_t p) {
      return trainer_->net().graph().params[p].name == fault.victim;
    };
    // The third fault looks at gradients where they are kept.
    context_.plan_skip.clear();
    if (n % kFaults.size() == 2) context_.plan_skip.insert("update");
    TrainOptions options;
    options.adjust = [&](size_t p, optim::StepInfo& info) {
      if (!is_victim(p) || frozen || info.policy_rate == 0) return;
      const double mult = info.rate / info.policy_rate;
      info.rate = info.policy_rate;
      if (n % kFaults.size() == 0) info.gradient_scale *= mult;
      if (n % kFaults.size() == 2) {
        const double norm = optim::length_of(trainer_->optimizer().params()[p].gradient);
        info.gradient_scale = std::min(mult, 1e-3 / norm);
      }
    };
    const Outcome outcome = run(drawn, std::move(options), [&](Trainer& trainer) {
      if (!frozen) return;
      const auto p = static_cast<size_t>(trainer.net().params().find(fault.victim));
      std::vector<float> values = trainer.net().params().value(p);
      if (n % kFaults.size() == 4)
        for (float& value : values) value *= 1 - 1e-5f;
      else if (trainer.iteration() == 17)
        values[0] = std::nextafter(values[0], 1.0f);
      trainer.net().params().set_value(p, values);
    });
    bool caught = false;
    for (const report::Alarm& alarm : outcome.alarms) {
      EXPECT_THAT(alarm.params, testing::ElementsAre(fault.victim))
          << "of nothing else: " << alarm.text << "\n"
          << drawn_text();
      caught = true;
    }
    EXPECT_TRUE(caught) << fault.name << " under " << type << " was not caught\n" << drawn_text();
    if (frozen && caught) {
      EXPECT_EQ(outcome.alarms[0].kind, "frozen_moved");
    }
  }
}

}  // namespace
}  // namespace crema::train
