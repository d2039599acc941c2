// The recipes of configs/layerwise: every mechanism trains, does what its first lines say, and what
// is said to be the same is the same.
#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "program.hpp"

namespace crema::whole {
namespace {

class LayerwiseTest : public ProgramTest {
 protected:
  LayerwiseTest() {
    std::filesystem::create_symlink(CREMA_SOURCE_DIR "/configs", folder / "configs");
  }
  // Trains a recipe for some updates under the verifier; its events.
  std::vector<nlohmann::json> train(const std::string& recipe, const std::string& more = "",
                                    int updates = 4) {
    const Outcome run = crema("train --solver=configs/layerwise/" + recipe +
                              ".prototxt --set test_interval=100000 --set verify_interval=1 "
                              "--events=events.jsonl --set max_iter=" +
                              std::to_string(updates) + " " + more);
    EXPECT_EQ(run.code, 0) << recipe << "\n" << run.err;
    return read_events();
  }
  std::vector<nlohmann::json> read_events() const {
    std::vector<nlohmann::json> out;
    std::istringstream text(bytes("events.jsonl"));
    for (std::string line; std::getline(text, line);) out.push_back(nlohmann::json::parse(line));
    for (const nlohmann::json& event : out) EXPECT_NE(event["event"], "alarm") << event;
    return out;
  }
  // A parameter's figures in the last verified update.
  static nlohmann::json verified(const std::vector<nlohmann::json>& events,
                                 const std::string& param) {
    nlohmann::json out;
    for (const nlohmann::json& event : events)
      if (event["event"] == "verified") out = event["parameters"][param];
    return out;
  }
  static double rate(const std::vector<nlohmann::json>& events, const std::string& param) {
    return verified(events, param)["realised_lr"];
  }
  // How far conv1 and the head went in the first update, relative to the gradients there.
  static double step_per_gradient(const std::vector<nlohmann::json>& events,
                                  const std::string& param) {
    for (const nlohmann::json& event : events)
      if (event["event"] == "verified") {
        const nlohmann::json& p = event["parameters"][param];
        return p["update_norm"].get<double>() / p["gradient_norm"].get<double>();
      }
    return 0;
  }
  std::string weights(const std::string& recipe, int updates) const {
    return bytes("runs/layerwise/" + recipe + "_iter_" + std::to_string(updates) + ".caffemodel");
  }
};

TEST_F(LayerwiseTest, the_question_five_pretrained_convolutions_and_a_new_one) {
  ASSERT_EQ(crema("train --solver=configs/layerwise/pretrain.prototxt --set max_iter=5").code, 0);
  const auto events = train("question", "--weights=runs/layerwise/digits_iter_5.caffemodel");
  for (int i = 1; i <= 5; ++i)
    EXPECT_NEAR(rate(events, "conv" + std::to_string(i) + "/weight"), 1e-5, 2e-7) << i;
  EXPECT_NEAR(rate(events, "conv6_letters/weight"), 1e-3, 2e-6);
  EXPECT_EQ(crema("train --solver=configs/layerwise/question.prototxt").code, 2)
      << "`loaded` means nothing without a weights file";
}

TEST_F(LayerwiseTest, rules_by_pattern_are_the_multipliers_of_the_net) {
  const auto rules = train("rules"), in_net = train("lr_mult");
  for (const auto& events : {rules, in_net}) {
    EXPECT_NEAR(rate(events, "conv3/weight"), 2e-4, 2e-6);
    EXPECT_NEAR(rate(events, "conv6_letters/weight"), 2e-2, 2e-5);
  }
  const auto difference = crema(
      "explain --solver=configs/layerwise/rules.prototxt "
      "--diff=configs/layerwise/lr_mult.prototxt");
  EXPECT_TRUE(difference.says("no differences")) << difference.out;
}

TEST_F(LayerwiseTest, two_optimizers_have_their_own_rates_and_one_clip) {
  const auto events = train("two_optimizers");
  EXPECT_NEAR(rate(events, "conv2/weight"), 2e-4, 2e-6);
  EXPECT_NEAR(rate(events, "conv6_letters/weight"), 1e-3, 2e-6);
  const Outcome run = crema("explain --solver=configs/layerwise/two_optimizers.prototxt");
  EXPECT_TRUE(run.says("AdamW")) << run.out;
  // One norm of all gradients, whoever applies them.
  const auto clipped = train("two_optimizers", "--set clip_gradients=0.1");
  int clips = 0;
  for (const nlohmann::json& event : clipped)
    if (event["event"] == "train") {
      const double norm = event["gradient_norm"], scale = event["clip_scale"];
      EXPECT_NEAR(norm * scale, 0.1, 1e-6);
      ++clips;
    }
  EXPECT_EQ(clips, 4);
  EXPECT_NEAR(rate(clipped, "conv2/weight"), 2e-4, 2e-6);
}

TEST_F(LayerwiseTest, scaled_gradients_are_rates_under_sgd_and_nothing_under_adam) {
  const auto sgd = train("gradients", "--set weight_decay=0");
  EXPECT_NEAR(step_per_gradient(sgd, "conv4/weight"), 0.02 * 0.01, 2e-6);
  EXPECT_NEAR(step_per_gradient(sgd, "conv6_letters/weight"), 0.02, 2e-4);
  const std::string adam = "--set type=Adam --set base_lr=0.001 --set weight_decay=0";
  const double scaled = verified(train("gradients", adam, 1), "conv4/weight")["update_norm"];
  const double whole = verified(train("gradients", adam + " --set param_rule[0].grad_mult=1", 1),
                                "conv4/weight")["update_norm"];
  EXPECT_NEAR(scaled / whole, 1, 0.05) << "Adam divides it away";
  const Outcome warned =
      crema("explain --solver=configs/layerwise/gradients.prototxt --set type=Adam");
  EXPECT_TRUE(warned.says("grad_mult has no effect under Adam")) << warned.out;
}

TEST_F(LayerwiseTest, a_factor_before_clipping_each_parameter_is_erased) {
  const std::string clip =
      "--set clip_gradients=1e-4 --set clip_scope=PARAMETER "
      "--set param_rule[0].grad_mult_at=BEFORE_CLIP ";
  const double scaled = verified(train("gradients", clip, 1), "conv4/weight")["update_norm"];
  const double whole = verified(train("gradients", clip + "--set param_rule[0].grad_mult=1", 1),
                                "conv4/weight")["update_norm"];
  EXPECT_NEAR(scaled / whole, 1, 1e-3);
  const Outcome warned = crema("explain --solver=configs/layerwise/gradients.prototxt " + clip);
  EXPECT_TRUE(warned.says("grad_mult is erased whenever clip_gradients acts")) << warned.out;
}

TEST_F(LayerwiseTest, a_dictionary_has_a_default_of_one_and_histograms) {
  const auto events = train("dictionary", "--set histogram_interval=2 --tensorboard=board");
  EXPECT_NEAR(rate(events, "conv1/bias"), 0.02 * 0.02, 4e-6);
  EXPECT_NEAR(rate(events, "conv2/weight"), 0.02 * 0.05, 1e-5);
  EXPECT_NEAR(rate(events, "conv3/weight"), 0.02, 2e-5) << "not in the dictionary";
  int histograms = 0;
  for (const nlohmann::json& event : events) histograms += event["event"] == "histograms";
  EXPECT_EQ(histograms, 2 * 12);
}

// The same activations and gradients, by either way, but for rounding.
TEST_F(LayerwiseTest, a_stopped_copy_and_a_gradient_scale_layer_slow_everything_below) {
  const auto whole = train("dictionary", "", 1), mixed = train("stopped_copy", "", 1),
             layer = train("gradient_scale", "", 1);
  for (const char* param : {"conv1/weight", "conv5/bias"}) {
    const double gradient = verified(whole, param)["gradient_norm"];
    for (const auto& events : {mixed, layer})
      EXPECT_NEAR(verified(events, param)["gradient_norm"].get<double>() / gradient, 0.01, 1e-4)
          << param;
  }
  const auto loss = [](const std::vector<nlohmann::json>& events) {
    for (const nlohmann::json& event : events)
      if (event["event"] == "train") return event["loss"].get<double>();
    return 0.0;
  };
  EXPECT_EQ(loss(layer), loss(whole)) << "the layer passes every bit on";
  EXPECT_NEAR(loss(mixed) / loss(whole), 1, 1e-6) << "the sum of both parts is the whole";
  const double head = verified(whole, "conv6_letters/weight")["gradient_norm"];
  for (const auto& events : {mixed, layer})
    EXPECT_NEAR(verified(events, "conv6_letters/weight")["gradient_norm"].get<double>() / head, 1,
                1e-4);
}

TEST_F(LayerwiseTest, a_multiplier_rises_during_the_run) {
  const auto events = train("gradual", "", 20);
  std::vector<double> rates;
  for (const nlohmann::json& event : events)
    if (event["event"] == "train") rates.push_back(event["group_lr"]["conv1/weight +9"]);
  ASSERT_EQ(rates.size(), 20u);
  EXPECT_EQ(rates[1], 0) << "stands still at first";
  EXPECT_NEAR(rates[7], 0.02 * 0.05, 1e-9) << "half way: 7 is between 2 and 12";
  EXPECT_NEAR(rates[19], 0.02 * 0.1, 1e-9);
  const Outcome told = crema("explain --solver=configs/layerwise/gradual.prototxt");
  EXPECT_TRUE(told.says("does not move: rate 0; from 21 on learns")) << told.out;
}

TEST_F(LayerwiseTest, frozen_layers_keep_every_bit) {
  const auto events = train("frozen");
  EXPECT_EQ(verified(events, "conv3/weight")["verdict"], "ok");
  EXPECT_EQ(verified(events, "conv3/weight")["lr"], 0);
  EXPECT_GT(verified(events, "conv6_letters/weight")["update_norm"], 0);
  train("frozen", "", 0);  // the file holds what the run begins with
  const std::string before = weights("frozen", 0), after = weights("frozen", 4);
  const size_t head = before.find("conv6_letters");
  ASSERT_NE(head, std::string::npos);
  EXPECT_EQ(before.substr(0, head), after.substr(0, head));
  EXPECT_NE(before, after);
}

// The two runs of README's table: which layers learn at which rate, and from which data.
TEST_F(LayerwiseTest, fine_tuning_recipes_have_the_rates_that_readme_says) {
  struct Recipe {
    const char *pretrain, *tune, *weights, *head;
    double old_rate;
  };
  for (const Recipe& recipe : {Recipe{"layerwise/pretrain", "finetune/letters",
                                      "runs/layerwise/digits", "conv6_letters", 0.003},
                               Recipe{"finetune/objects_pretrain", "finetune/objects",
                                      "runs/finetune/mnist", "conv6_objects", 0.001}}) {
    const std::string run =
        "train --synthetic --threads=2 --set test_interval=100000 --solver=configs/";
    const Outcome pretrained = crema(run + recipe.pretrain + ".prototxt --set max_iter=2");
    ASSERT_EQ(pretrained.code, 0) << pretrained.err;
    const std::string weights = std::string(recipe.weights) + "_iter_2.caffemodel";
    const Outcome tuned = crema(run + recipe.tune +
                                ".prototxt --set max_iter=2 --set verify_interval=1 "
                                "--events=events.jsonl --weights=" +
                                weights);
    ASSERT_EQ(tuned.code, 0) << tuned.err;
    EXPECT_TRUE(tuned.says("loaded conv1, conv2, conv3, conv4, conv5")) << tuned.err;
    const auto events = read_events();
    EXPECT_NEAR(rate(events, "conv3/weight"), recipe.old_rate, 1e-3 * recipe.old_rate);
    EXPECT_NEAR(rate(events, std::string(recipe.head) + "/weight"), 0.03, 3e-5);
  }
  const Outcome told = crema(
      "explain --solver=configs/finetune/objects.prototxt --format=csv "
      "--weights=runs/finetune/mnist_iter_2.caffemodel");
  EXPECT_TRUE(told.says("conv1/weight,Convolution,8x1x3x3,loaded,")) << "grey\n" << told.out;
}

}  // namespace
}  // namespace crema::whole
