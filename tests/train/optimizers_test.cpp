// What the trainer does for optimizers and policies: state across a resume, metrics, the average.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/files.hpp"
#include "snapshot/weights.hpp"
#include "train/trainer_fixture.hpp"

namespace crema::train {
namespace {

using testing::HasSubstr;

class OptimizersTest : public TrainerFixture {
 protected:
  // Trains, and resumes from the state of iteration `from` if that is > 0.
  TrainResult run(const std::string& file, std::vector<std::string> overrides = {}, int from = 0) {
    TrainOptions options;
    if (from > 0) options.snapshot = state_path(from);
    Trainer trainer(solver(file, std::move(overrides)), options, context_);
    return trainer.run();
  }
  std::string state_path(int t) const {
    return prefix() + "_iter_" + std::to_string(t) + ".solverstate";
  }
  std::string bytes(int t, const std::string& ending) const {
    return read_file(prefix() + "_iter_" + std::to_string(t) + ending, ErrorCode::kInternal);
  }
  // Every message of what fn throws.
  template <class Fn>
  std::string mistakes(Fn&& fn) {
    Diagnostics found;
    found.guard(fn);
    std::string out;
    for (const Error& error : found.errors())
      out += error.location.text() + ": " + error.message + " | " + error.hint + "\n";
    return out;
  }
};

TEST_F(OptimizersTest, everything_is_in_the_state) {
  run("mixed_solver.prototxt");
  const std::string weights = bytes(20, ".caffemodel"), state = bytes(20, ".solverstate");
  const std::string average = bytes(20, ".ema.caffemodel");
  EXPECT_NE(weights, average);
  EXPECT_GT(count<report::RateStepped>(), 1);
  for (const int cut : {1, 7, 10, 19}) {
    std::filesystem::remove_all(folder_);
    run("mixed_solver.prototxt", {"max_iter=20", "snapshot=" + std::to_string(cut)});
    for (const char* ending : {".caffemodel", ".ema.caffemodel"})
      std::filesystem::remove(prefix() + "_iter_20" + ending);
    std::filesystem::remove(state_path(20));
    run("mixed_solver.prototxt", {}, cut);
    EXPECT_EQ(bytes(20, ".caffemodel"), weights) << cut;
    EXPECT_EQ(bytes(20, ".solverstate"), state) << cut;
    EXPECT_EQ(bytes(20, ".ema.caffemodel"), average) << cut;
  }
}

TEST_F(OptimizersTest, states_of_one_optimizer_keep_the_history_of_bvlc) {
  run("mixed_solver.prototxt", {"param_rule=[]", "max_iter=3"});
  const snapshot::State state = snapshot::read_state(state_path(3));
  EXPECT_EQ(state.history.size(), 2u);
  EXPECT_TRUE(state.slots.empty());
  EXPECT_EQ(state.solver_type, "SGD");
  EXPECT_THAT(state.history_slots, testing::ElementsAre("momentum"));
}

TEST_F(OptimizersTest, states_of_several_go_by_name) {
  run("mixed_solver.prototxt", {"max_iter=3"});
  const snapshot::State state = snapshot::read_state(state_path(3));
  EXPECT_TRUE(state.history.empty());
  ASSERT_EQ(state.slots.size(), 3u);
  EXPECT_EQ(state.slots[0].param, "x/value");
  EXPECT_EQ(state.slots[1].param, "y/value");
  EXPECT_EQ(state.slots[2].name, "v");
  EXPECT_THAT(state.param_types, testing::ElementsAre("SGD", "AdamW"));
  EXPECT_EQ(state.averages.size(), 2u);
  EXPECT_EQ(state.average_updates, 3);
  EXPECT_EQ(state.followers.size(), 2u);
}

TEST_F(OptimizersTest, a_state_of_other_optimizers_is_refused) {
  run("mixed_solver.prototxt", {"max_iter=2", "param_rule=[]"});
  EXPECT_THAT(mistakes([&] { run("mixed_solver.prototxt", {}, 2); }),
              HasSubstr("has no m of 'y/value' for AdamW (there it had SGD)"));
  run("mixed_solver.prototxt", {"max_iter=2"});
  EXPECT_THAT(mistakes([&] { run("mixed_solver.prototxt", {"param_rule=[]"}, 2); }),
              HasSubstr("has no momentum of 'y/value' for SGD (there it had AdamW)"));
  EXPECT_THAT(mistakes([&] {
                run("mixed_solver.prototxt", {"param_rule=[]", "momentum_form=LR_OUTSIDE"}, 2);
              }),
              HasSubstr("has no momentum_of_gradients of 'x/value'"));
  run("mixed_solver.prototxt", {"max_iter=2", "param_rule=[]"});
  EXPECT_THAT(mistakes([&] {
                run("mixed_solver.prototxt", {"param_rule=[]", "momentum_form=LR_OUTSIDE"}, 2);
              }),
              HasSubstr("holds 'momentum', but SGD as it is set now keeps "
                        "'momentum_of_gradients'"));
}

// --- metrics

TEST_F(OptimizersTest, plateau_waits_for_the_test) {
  const TrainResult result =
      run("mixed_solver.prototxt", {"param_rule=[]", "plateau.threshold=0.99", "max_iter=9"});
  // Nothing is ever 100 times better: a drop after every second test, from the third on.
  std::vector<std::pair<int64_t, int>> drops;
  for (const report::Event& event : events_)
    if (const auto* e = std::get_if<report::RateStepped>(&event)) {
      EXPECT_EQ(e->policy, "Plateau");
      drops.emplace_back(e->iteration, e->step);
    }
  EXPECT_THAT(drops, testing::ElementsAre(std::pair(2, 1), std::pair(4, 2), std::pair(6, 3),
                                          std::pair(8, 4)));
  EXPECT_EQ(result.tests.size(), 10u);
}

TEST_F(OptimizersTest, plateau_on_a_metric_that_is_not_there) {
  const std::vector<std::string> sgd{"param_rule=[]", "plateau.mode=MAX"};
  const auto said = [&](std::vector<std::string> overrides) {
    overrides.insert(overrides.end(), sgd.begin(), sgd.end());
    return mistakes([&] { run("mixed_solver.prototxt", overrides); });
  };
  EXPECT_THAT(said({"plateau.metric=\"accurracy\""}), HasSubstr("is no output of that net"));
  EXPECT_THAT(said({"plateau.metric=\"los\""}), HasSubstr("did you mean 'loss'?"));
  EXPECT_THAT(said({"plateau.test_net=1"}), HasSubstr("follows test net 1, but there are 1"));
  EXPECT_THAT(said({"test_iter=[]", "test_interval=0"}), HasSubstr("there are 0 test nets"));
}

// --- the average

TEST_F(OptimizersTest, tests_see_the_average_and_the_run_does_not) {
  const auto losses = [&](const std::string& ema) {
    std::vector<double> out;
    const TrainResult result = run("average_solver.prototxt", {ema});
    for (const TestResult& test : result.tests) out.push_back(*test.loss);
    return out;
  };
  const std::vector<double> average = losses("ema.test=true");
  const std::string weights = bytes(20, ".caffemodel");
  const std::vector<double> plain = losses("ema.test=false");
  EXPECT_EQ(bytes(20, ".caffemodel"), weights);
  ASSERT_EQ(average.size(), plain.size());
  EXPECT_EQ(average[0], plain[0]);
  EXPECT_GT(average[1], plain[1]);
  // The last test is of the weights in the .ema file.
  const snapshot::WeightsFile file = snapshot::read_weights(prefix() + "_iter_20.ema.caffemodel");
  const double x = file.layers[0].blobs[0].values[0], y = file.layers[1].blobs[0].values[0];
  EXPECT_NEAR(average.back(), (x - y) * (x - y), 1e-6);
}

TEST_F(OptimizersTest, an_average_that_the_state_lacks_begins_anew) {
  run("toy_solver.prototxt", {"max_iter=3", "snapshot_after_train=true"});
  EXPECT_NO_THROW(run("toy_solver.prototxt", {"ema={ decay: 0.5 }"}, 3));
  bool said = false;
  for (const report::Event& event : events_)
    if (const auto* e = std::get_if<report::Message>(&event))
      said |= e->text.find("holds no average") != std::string::npos;
  EXPECT_TRUE(said);
}

// --- warnings

TEST_F(OptimizersTest, settings_without_effect_are_named_at_the_start) {
  Trainer(
      solver("toy_solver.prototxt", {"type=AdamW", "param_rule={ match: \"y\" grad_mult: 0.1 }"}),
      {}, context_);
  std::string said;
  for (const report::Event& event : events_)
    if (const auto* e = std::get_if<report::Message>(&event))
      if (e->severity == report::Message::Severity::kWarning) said += e->text + "\n";
  EXPECT_THAT(said, HasSubstr("'y/value': grad_mult has no effect under AdamW"));
}

// --- epochs

TEST_F(OptimizersTest, max_epoch_counts_the_records) {
  std::vector<double> rates;
  TrainOptions options;
  options.after_update = [&](int64_t, double, double rate) { rates.push_back(rate); };
  Trainer(solver("epochs_solver.prototxt"), options, context_).run();
  ASSERT_EQ(rates.size(), 5u);
  for (size_t t = 0; t < 5; ++t) EXPECT_NEAR(rates[t], 0.01 * (1 - t / 5.0), 1e-9);
}

TEST_F(OptimizersTest, max_epoch_needs_records_and_excludes_max_iter) {
  EXPECT_THAT(mistakes([&] { run("epochs_solver.prototxt", {"net=\"toy_net.prototxt\""}); }),
              HasSubstr("max_epoch needs a data source whose length is known"));
  EXPECT_THAT(mistakes([&] { run("epochs_solver.prototxt", {"max_iter=9"}); }),
              HasSubstr("both max_iter and max_epoch"));
  EXPECT_THAT(mistakes([&] { run("epochs_solver.prototxt", {"max_epoch=0"}); }),
              HasSubstr("max_epoch must be a number > 0"));
  EXPECT_THAT(mistakes([&] { run("epochs_solver.prototxt", {"max_epoch=1e12"}); }),
              HasSubstr("more than crema counts"));
  EXPECT_THAT(mistakes([&] { run("epochs_solver.prototxt", {"lr_policy=step"}); }),
              HasSubstr("needs gamma"));
}

// Statistics start as what a filler never gives, so that using them shows.
TEST_F(OptimizersTest, a_frozen_layer_keeps_its_bits_and_its_statistics) {
  Trainer trainer(solver("frozen_solver.prototxt"), {}, context_);
  exec::ParamStore& params = trainer.net().params();
  for (const char* name : {"bn/mean", "bn/variance", "bn/factor"})
    params.set_value(static_cast<size_t>(params.find(name)),
                     std::vector<float>(std::string(name) == "bn/factor" ? 1 : 2, 1.5f));
  std::vector<std::vector<float>> before;
  for (size_t i = 0; i < params.size(); ++i) before.push_back(params.value(i));
  trainer.run();
  for (size_t i = 0; i < params.size(); ++i) {
    const bool frozen = !params[i].name().starts_with("fc/");
    EXPECT_EQ(params.value(i) == before[i], frozen) << params[i].name();
  }
}

TEST_F(OptimizersTest, statistics_of_a_frozen_layer_may_go_on) {
  Trainer trainer(solver("frozen_solver.prototxt", {"param_rule[0].bn_stats=LIVE"}), {}, context_);
  exec::ParamStore& params = trainer.net().params();
  const auto weight = static_cast<size_t>(params.find("conv/weight"));
  const std::vector<float> before = params.value(weight);
  trainer.run();
  EXPECT_EQ(params.value(weight), before);
  EXPECT_NE(params.value(static_cast<size_t>(params.find("bn/factor")))[0], 0);
}

TEST_F(OptimizersTest, statistics_that_were_never_collected_cannot_be_frozen) {
  for (const std::vector<std::string>& frozen :
       {std::vector<std::string>{},
        {"param_rule[0].freeze=NEVER", "param_rule[1].freeze_until=3"}}) {
    Trainer trainer(solver("frozen_solver.prototxt", frozen), {}, context_);
    EXPECT_THAT(mistakes([&] { trainer.run(); }),
                HasSubstr("layer 'bn' is frozen, but its running statistics were never collected"));
  }
}

}  // namespace
}  // namespace crema::train
