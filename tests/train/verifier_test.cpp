// Verified rates: silence where all is well, and an alarm for every fault that users of other
// programs lived with.
#include "train/verifier.hpp"

#include <gmock/gmock.h>

#include <cmath>

#include "train/trainer_fixture.hpp"

namespace crema::train {
namespace {

class VerifierTest : public TrainerFixture {
 protected:
  // The frozen BatchNorm layer needs statistics: two updates collect some.
  VerifierTest() {
    Trainer(solver("verify_solver.prototxt", {"max_iter=2", "param_rule[2].freeze=NEVER",
                                              "verify_interval=0", "snapshot_after_train=true"}),
            {}, context_)
        .run();
    events_.clear();
  }
  TrainOptions pretrained() const {
    TrainOptions options;
    options.weights = {prefix() + "_iter_2.caffemodel"};
    return options;
  }
  // Runs with a fault: `adjust` on the numbers of a step, `after` on what an update left.
  void run(const std::string& file, const std::vector<std::string>& overrides,
           std::function<void(size_t, optim::StepInfo&)> adjust = {},
           std::function<void(Trainer&)> after = {}) {
    Trainer* running = nullptr;
    TrainOptions options = pretrained();
    options.adjust = std::move(adjust);
    options.after_update = [&](int64_t, double, double) {
      if (after) after(*running);
    };
    Trainer trainer(solver(file, overrides), std::move(options), context_);
    running = trainer_ = &trainer;
    trainer.run();
  }
  size_t param(const std::string& name) const {
    return static_cast<size_t>(trainer_->net().params().find(name));
  }
  // Kinds of alarms, each with the parameters it was about.
  std::map<std::string, std::set<std::string>> alarms() const {
    std::map<std::string, std::set<std::string>> out;
    for (const report::Event& event : events_)
      if (const auto* alarm = std::get_if<report::Alarm>(&event))
        out[alarm->kind].insert(alarm->params.begin(), alarm->params.end());
    return out;
  }
  std::string texts() const {
    std::string out;
    for (const report::Event& event : events_)
      if (const auto* alarm = std::get_if<report::Alarm>(&event)) out += alarm->text + "\n";
    return out;
  }
  std::vector<report::Verified> verified() const {
    std::vector<report::Verified> out;
    for (const report::Event& event : events_)
      if (const auto* v = std::get_if<report::Verified>(&event)) out.push_back(*v);
    return out;
  }
  bool said(const std::string& text) const {
    for (const report::Event& event : events_)
      if (const auto* m = std::get_if<report::Message>(&event))
        if (m->text.find(text) != std::string::npos) return true;
    return false;
  }

  Trainer* trainer_ = nullptr;
};

TEST_F(VerifierTest, a_run_that_does_what_it_says_raises_no_alarm) {
  run("verify_solver.prototxt", {});
  EXPECT_EQ(texts(), "");
  ASSERT_EQ(verified().size(), 40u);
  EXPECT_TRUE(said("40 updates verified: every parameter learned at its configured rate"));
  const report::Verified last = verified().back();
  EXPECT_EQ(last.iteration, 40);
  int rates = 0;
  for (const report::Verified::Param& p : last.params) {
    if (p.name.starts_with("bn2")) {
      EXPECT_EQ(p.verdict, "ok") << "frozen statistics are looked at";
      continue;
    }
    const double rate = 0.025 * (p.name.starts_with("conv") ? 0.1f : 1);
    EXPECT_DOUBLE_EQ(p.rate, static_cast<float>(0.05f) * 0.5 * (rate < 0.025 ? 0.1f : 1.0))
        << p.name;
    ASSERT_TRUE(p.realised) << p.name << " " << p.verdict;
    EXPECT_NEAR(*p.realised / p.rate, 1, 1e-3) << p.name;
    EXPECT_GT(p.weight, 0) << p.name;
    EXPECT_GT(p.gradient, 0) << p.name;
    EXPECT_GT(p.update, 0) << p.name;
    ++rates;
  }
  EXPECT_EQ(rates, 10);
  ASSERT_EQ(last.groups.size(), 3u);
  EXPECT_NEAR(last.groups[2].realised / last.groups[0].realised, 10, 0.02);
}

TEST_F(VerifierTest, looks_at_the_interval_and_where_parameters_thaw) {
  run("verify_solver.prototxt", {"verify_interval=15"});
  std::vector<int64_t> iterations;
  for (const report::Verified& v : verified()) iterations.push_back(v.iteration);
  EXPECT_EQ(iterations, (std::vector<int64_t>{1, 11, 16, 31}));
  events_.clear();
  run("verify_solver.prototxt", {"verify_interval=0"});
  EXPECT_TRUE(verified().empty());
}

TEST_F(VerifierTest, changes_no_result) {
  std::vector<std::vector<float>> values[2];
  for (const int interval : {0, 1}) {
    const std::vector<std::string> overrides{"verify_interval=" + std::to_string(interval),
                                             "histogram_interval=" + std::to_string(interval)};
    Trainer trainer(solver("verify_solver.prototxt", overrides), pretrained(), context_);
    trainer.run();
    for (size_t i = 0; i < trainer.net().params().size(); ++i)
      values[interval].push_back(trainer.net().params().value(i));
  }
  EXPECT_EQ(values[0], values[1]);
}

// The multiplier on the gradient instead of the step: Adam divides it away.
TEST_F(VerifierTest, catches_gradient_scaling_under_adam) {
  run("verify_solver.prototxt", {"type=Adam", "weight_decay=0"}, [](size_t, optim::StepInfo& info) {
    info.gradient_scale *= info.rate / info.policy_rate;
    info.rate = info.policy_rate;
  });
  EXPECT_THAT(alarms(), testing::ElementsAre(testing::Key("ratio")));
  EXPECT_EQ(alarms()["ratio"].count("conv1/weight"), 1u);
  EXPECT_EQ(alarms()["ratio"].count("head/weight"), 0u);
  EXPECT_THAT(texts(), testing::HasSubstr(
                           "learns at the rate 0.05 instead of 0.005 (learning rate 0.05 x lr_mult "
                           "0.1, "));
  EXPECT_THAT(texts(), testing::HasSubstr("1 times the rate of 'scale2/scale +5', configured is "
                                          "0.1 times"));
  EXPECT_TRUE(said("alarms"));
}

TEST_F(VerifierTest, catches_a_multiplier_that_is_lost_to_lars) {
  run("verify_solver.prototxt", {"type=LARS"}, [](size_t, optim::StepInfo& info) {
    if (info.rate > 0) info.rate = info.policy_rate;
  });
  EXPECT_THAT(alarms(), testing::ElementsAre(testing::Key("ratio")));
}

// tf_slim's order: gradients are multiplied, then each is clipped to one norm.
TEST_F(VerifierTest, catches_a_multiplier_that_is_erased_by_clipping_each_parameter) {
  context_.plan_skip = {"update"};  // the fault looks at gradients where they are kept
  run("verify_solver.prototxt", {"weight_decay=0"}, [&](size_t p, optim::StepInfo& info) {
    const double norm = optim::length_of(trainer_->optimizer().params()[p].gradient);
    const double mult = info.rate / info.policy_rate, limit = 0.001;
    info.rate = info.policy_rate;
    info.gradient_scale = mult * norm > limit ? limit / norm : mult;
  });
  EXPECT_GE(alarms()["ratio"].size() + alarms()["rate"].size(), 4u);
}

// The scaled gradients are plotted, the others applied.
TEST_F(VerifierTest, catches_rates_that_are_reported_but_not_applied) {
  run("verify_solver.prototxt", {},
      [](size_t, optim::StepInfo& info) { info.rate = info.policy_rate; });
  EXPECT_EQ(alarms()["ratio"].count("conv2/weight"), 1u);
  double reported = 0;
  for (const report::Event& event : events_)
    if (const auto* e = std::get_if<report::Iterated>(&event)) reported = e->group_rates.at(0);
  EXPECT_NEAR(reported, 0.0025, 1e-9) << "what is reported looks right";
}

TEST_F(VerifierTest, catches_drift_by_weight_decay_alone) {
  run("verify_solver.prototxt", {"net=\"verify_cut_net.prototxt\""});
  EXPECT_THAT(alarms(), testing::ElementsAre(testing::Key("decay_only")));
  EXPECT_EQ(alarms()["decay_only"].count("conv2/weight"), 1u);
  EXPECT_THAT(texts(), testing::HasSubstr("propagate_down"));
  events_.clear();
  run("verify_solver.prototxt", {"net=\"verify_cut_net.prototxt\"", "weight_decay=0"});
  EXPECT_EQ(texts(), "") << "what does not move does no harm";
}

TEST_F(VerifierTest, catches_frozen_parameters_and_statistics_that_move) {
  for (const std::string name : {"conv1/bias", "bn2/mean"}) {
    events_.clear();
    run("verify_solver.prototxt", {}, {}, [&](Trainer& trainer) {
      if (trainer.iteration() != 5) return;
      const size_t p = param(name);
      std::vector<float> values = trainer.net().params().value(p);
      values[1] = std::nextafter(values[1], 1e9f);  // one bit of one number
      trainer.net().params().set_value(p, values);
    });
    EXPECT_EQ(alarms(), (std::map<std::string, std::set<std::string>>{{"frozen_moved", {name}}}));
    EXPECT_THAT(texts(), testing::HasSubstr("verify_solver.prototxt:1")) << "where it was frozen";
  }
}

TEST_F(VerifierTest, catches_a_base_rate_that_is_wrong_for_all) {
  run("verify_solver.prototxt", {}, [](size_t, optim::StepInfo& info) { info.rate *= 1.02; });
  EXPECT_THAT(alarms(), testing::ElementsAre(testing::Key("rate"))) << "the ratios are right";
}

TEST_F(VerifierTest, catches_steps_that_are_not_the_optimizers) {
  run("verify_solver.prototxt", {"momentum=0"},
      [](size_t, optim::StepInfo& info) { info.momentum = 0.5; });
  EXPECT_EQ(alarms().count("formula"), 1u) << "velocity where there is to be none";
}

TEST_F(VerifierTest, is_right_and_catches_faults_after_a_resume) {
  const std::string frozen = "param_rule[1].freeze_until=30";
  Trainer(solver("verify_solver.prototxt", {"max_iter=20", "snapshot_after_train=true", frozen}),
          pretrained(), context_)
      .run();
  const auto resume = [&](bool fault) {
    events_.clear();
    TrainOptions options;
    options.snapshot = prefix() + "_iter_20.solverstate";
    options.adjust = [&](size_t, optim::StepInfo& info) {
      if (fault) info.rate = info.policy_rate;
    };
    options.after_update = [&](int64_t iteration, double, double) {
      if (!fault || iteration != 25) return;
      const size_t p = param("conv1/bias");
      std::vector<float> values = trainer_->net().params().value(p);
      values[0] = std::nextafter(values[0], 1e9f);
      trainer_->net().params().set_value(p, values);
    };
    Trainer trainer(solver("verify_solver.prototxt", {frozen}), std::move(options), context_);
    trainer_ = &trainer;
    trainer.run();
  };
  resume(false);
  EXPECT_EQ(texts(), "");
  EXPECT_EQ(verified().size(), 20u);
  resume(true);
  EXPECT_EQ(alarms()["frozen_moved"], std::set<std::string>{"conv1/bias"});
  EXPECT_EQ(alarms()["ratio"].count("conv2/weight"), 1u);
}

TEST_F(VerifierTest, says_each_fault_once_to_people_and_every_time_in_the_events) {
  run("verify_solver.prototxt", {},
      [](size_t, optim::StepInfo& info) { info.rate = info.policy_rate; });
  int fresh = 0, all = 0;
  for (const report::Event& event : events_)
    if (const auto* alarm = std::get_if<report::Alarm>(&event)) {
      ++all;
      fresh += !alarm->repeated;
    }
  EXPECT_EQ(fresh, 2) << "conv1/bias and the other convolutions";
  EXPECT_EQ(all, 30 + 40);
}

TEST_F(VerifierTest, histograms_are_of_weights_gradients_and_updates) {
  run("verify_solver.prototxt", {"histogram_interval=20"});
  int weights = 0;
  for (const report::Event& event : events_)
    if (const auto* h = std::get_if<report::Histograms>(&event)) {
      if (h->param != "ip1/weight") continue;
      ++weights;
      EXPECT_EQ(h->weights.count, 6 * 4 * 2 * 2);
      EXPECT_EQ(h->gradient.count, h->weights.count);
      EXPECT_EQ(h->update.count, h->weights.count);
      EXPECT_GT(h->gradient.sum_squares, 0);
      EXPECT_GT(h->update.sum_squares, 0);
      EXPECT_LT(h->update.sum_squares, h->weights.sum_squares);
    }
  EXPECT_EQ(weights, 2);
}

}  // namespace
}  // namespace crema::train
