// Fine-tuning as a user does it: weights under other names and of other shapes, scaled gradients.
#include <nlohmann/json.hpp>

#include "program.hpp"

namespace crema::whole {
namespace {

class FinetuneTest : public ProgramTest {
 protected:
  std::string train(const std::string& more) const {
    return "train --solver=" + fixtures + "small_solver.prototxt --log=lines --threads=2 " + more;
  }
  nlohmann::json json(const std::string& file) const { return nlohmann::json::parse(bytes(file)); }
  // The small net with `what` replaced throughout.
  void net(const std::string& file, const std::string& what, const std::string& by) const {
    std::string text = read_file(fixtures + "small_net.prototxt", ErrorCode::kData);
    size_t at = text.find(what);
    ASSERT_NE(at, std::string::npos) << what;
    for (; at != std::string::npos; at = text.find(what, at + by.size()))
      text.replace(at, what.size(), by);
    write(file, text);
  }
};

TEST_F(FinetuneTest, weights_under_other_names_are_loaded_and_reported) {
  ASSERT_EQ(crema(train("--set max_iter=2 --set snapshot_prefix=a/x")).code, 0);
  net("head.prototxt", "\"ip\"", "\"head\"");
  const std::string finetune = train(
      "--set net=head.prototxt --set max_iter=0 --set snapshot_prefix=b/x --json=b.json "
      "--weights=a/x_iter_2.caffemodel ");
  const Outcome plain = crema(finetune);
  ASSERT_EQ(plain.code, 0) << plain.err;
  EXPECT_TRUE(plain.says("loaded conv1, bn1, scale1; in the file but not in the net: ip"))
      << plain.err;
  EXPECT_TRUE(plain.says("left at their fillers: head")) << plain.err;
  EXPECT_EQ(json("b.json")["weights_loaded"]["at_filler"], nlohmann::json({"head"}));

  const Outcome mapped = crema(finetune +
                               "--set 'weights_map={ from: \"i*\" to: \"hea*\" }' "
                               "--set 'weights_map[0]={ from: \"ip\" to: \"head\" }'");
  ASSERT_EQ(mapped.code, 0) << mapped.err;
  EXPECT_TRUE(mapped.says("  head/weight 10x")) << mapped.err;
  const auto blobs = json("b.json")["weights_loaded"]["blobs"];
  ASSERT_EQ(blobs.size(), 9u);
  EXPECT_EQ(blobs[7]["name"], "head/weight");
  EXPECT_EQ(blobs[7]["how"], "loaded");
  EXPECT_EQ(blobs[7]["from"], "ip/0");
  EXPECT_GT(blobs[7]["norm"], 0.1);
}

TEST_F(FinetuneTest, other_classes_are_refused_with_the_line_that_helps) {
  ASSERT_EQ(crema(train("--set max_iter=2 --set snapshot_prefix=a/x")).code, 0);
  net("more.prototxt", "num_output: 10", "num_output: 12");
  const std::string finetune = train(
      "--set net=more.prototxt --set max_iter=0 --set snapshot_prefix=b/x "
      "--weights=a/x_iter_2.caffemodel ");
  const Outcome refused = crema(finetune);
  EXPECT_EQ(refused.code, 7);
  EXPECT_TRUE(refused.says("more.prototxt:")) << refused.err;
  EXPECT_TRUE(refused.says("weights_map { to: \"ip\" on_mismatch: SKIP }")) << refused.err;
  EXPECT_EQ(crema(finetune + "--set weights_on_mismatch=SLICE").code, 7) << "there is not enough";
  const Outcome padded = crema(finetune + "--set weights_on_mismatch=PAD");
  EXPECT_EQ(padded.code, 0) << padded.err;
  EXPECT_TRUE(padded.says("  ip/bias 12: padded from ip/1 10 of a/x_iter_2.caffemodel"));
  const Outcome wrong = crema(finetune + "--set weights_on_mismatch=CUT");
  EXPECT_EQ(wrong.code, 2);
  EXPECT_TRUE(wrong.says("--set weights_on_mismatch=CUT:1:")) << wrong.err;
  EXPECT_EQ(crema(finetune + "--set weights_map={to:\\\"nobody\\\"}").code, 3);
  EXPECT_EQ(crema(train("--set 'weights_map={ to: \"ip\" skip: true }'")).code, 2)
      << "there is no weights file";
}

// Under SGD and without decay the gradient of a layer times 1/2 is its rate times 1/2, to the bit.
TEST_F(FinetuneTest, gradient_scale_is_lr_mult_under_sgd_and_nothing_under_adam) {
  net("half.prototxt", "bottom: \"conv1\" top: \"bn1\" }", "bottom: \"conv1s\" top: \"bn1\" }");
  std::string text = bytes("half.prototxt");
  const size_t bn = text.find("layer { name: \"bn1\"");
  text.insert(bn,
              "layer { name: \"gs\" type: \"GradientScale\" bottom: \"conv1\" top: \"conv1s\" "
              "gradient_scale_param { factor: 0.5 } }\n");
  write("half.prototxt", text);
  net("rate.prototxt", "lr_mult: 0.1 }", "lr_mult: 0.05 }");
  std::string rate = bytes("rate.prototxt");
  rate.replace(rate.find("lr_mult: 0.2"), 12, "lr_mult: 0.1");
  write("rate.prototxt", rate);
  const auto loss = [&](const std::string& more) {
    EXPECT_EQ(crema(train(more + " --set max_iter=12 --set iter_size=1 --set weight_decay=0 --set "
                                 "clip_gradients=-1 --set test_interval=12 --json=out.json"))
                  .code,
              0);
    return json("out.json")["test"]["loss"].get<double>();
  };
  const std::string sgd = " --set type=SGD --set base_lr=0.05";
  const double plain = loss(sgd);
  EXPECT_EQ(loss(sgd + " --set net=half.prototxt"), loss(sgd + " --set net=rate.prototxt"));
  EXPECT_NE(loss(sgd + " --set net=half.prototxt"), plain);
  const std::string adam = "--set delta=1e-30 ";  // nothing beside the averages
  const double free = loss(adam);
  EXPECT_EQ(loss(adam + "--set net=half.prototxt"), free) << "Adam divides the factor away";
  EXPECT_NE(loss(adam + "--set net=rate.prototxt"), free);
}

// ... and a schedule of the factor is one of the rate.
TEST_F(FinetuneTest, a_scheduled_gradient_scale_is_a_scheduled_rate_under_sgd) {
  std::string text = read_file(fixtures + "small_net.prototxt", ErrorCode::kData);
  const size_t bn = text.find("layer { name: \"bn1\"");
  ASSERT_NE(bn, std::string::npos);
  text.insert(bn,
              "layer { name: \"gs\" type: \"GradientScale\" bottom: \"conv1\" top: \"conv1\" "
              "gradient_scale_param { factor_schedule { unit: FRACTION interpolation: STEP point { "
              "at: 0 value: 1 } point { at: 0.5 value: 0.5 } } } }\n");
  for (const auto& [mine, exact] : {std::pair("lr_mult: 0.1 }", "lr_mult: 0.125 }"),
                                    std::pair("lr_mult: 0.2 }", "lr_mult: 0.25 }")})
    text.replace(text.find(mine), std::string(mine).size(), exact);
  write("timed.prototxt", text);
  const auto loss = [&](const std::string& more) {
    const Outcome run =
        crema(train(more + " --set max_iter=12 --set iter_size=1 --set weight_decay=0 --set "
                           "clip_gradients=-1 --set test_interval=12 --json=out.json --set "
                           "type=SGD --set base_lr=0.05"));
    EXPECT_EQ(run.code, 0) << run.err;
    return json("out.json")["test"]["loss"].get<double>();
  };
  const std::string halved =
      "lr_mult_schedule { unit: ITERATION interpolation: STEP point { at: 0 value: %1 } "
      "point { at: 6 value: %2 } }";
  const auto rule = [&](const std::string& match, const std::string& first,
                        const std::string& second) {
    std::string out = "{ match: \"" + match + "\" " + halved + " }";
    out.replace(out.find("%1"), 2, first);
    out.replace(out.find("%2"), 2, second);
    return out;
  };
  const double scaled = loss("--set net=timed.prototxt");
  const double ruled = loss("--set 'param_rule=[" + rule("conv1/weight", "0.125", "0.0625") + ", " +
                            rule("conv1/bias", "0.25", "0.125") + "]'");
  EXPECT_NEAR(scaled, ruled, 1e-5 * ruled) << "kernels differ, and so does rounding";
  EXPECT_GT(std::abs(scaled - loss("")), 1e-4 * ruled);
  std::string wrong = bytes("timed.prototxt");
  wrong.replace(wrong.find("at: 0.5 value"), 7, "at: 0.0");
  write("wrong.prototxt", wrong);
  const Outcome refused = crema(train("--set net=wrong.prototxt"));
  EXPECT_EQ(refused.code, 2);
  EXPECT_TRUE(refused.says("the times of a schedule must rise")) << refused.err;
  EXPECT_TRUE(refused.says("wrong.prototxt:")) << refused.err;
}

TEST_F(FinetuneTest, a_gradient_factor_of_0_is_explained) {
  std::string text = read_file(fixtures + "small_net.prototxt", ErrorCode::kData);
  text.replace(text.find("bottom: \"drop1\""), 15, "bottom: \"stopped\"");
  text.insert(text.find("layer {\n  name: \"ip\""),
              "layer { name: \"stop\" type: \"GradientScale\" bottom: \"drop1\" top: \"stopped\" "
              "gradient_scale_param { factor: 0 } }\n");
  write("stop.prototxt", text);
  const Outcome run =
      crema("explain --solver=" + fixtures + "small_solver.prototxt --set net=stop.prototxt");
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_TRUE(
      run.says("moves by weight decay only: no gradient reaches it (layer 'stop' cuts off "
               "everything above it)"))
      << run.out;
}

// Test nets have BatchNorm inside the convolution's weights: those of the moving average as well.
TEST_F(FinetuneTest, tests_with_the_average_see_its_weights_where_they_are_folded) {
  std::string net = read_file(fixtures + "small_net.prototxt", ErrorCode::kData);
  const std::string bn = "bottom: \"conv1\" top: \"bn1\"";
  ASSERT_NE(net.find(bn), std::string::npos);
  // Nothing but updates and the exchange changes parameters: no statistics are collected.
  net.insert(net.find(bn), "batch_norm_param { use_global_stats: true eps: 1 } ");
  write("global.prototxt", net);
  const auto losses = [&](const std::string& more) {
    const Outcome run =
        crema(train("--set net=global.prototxt --set max_iter=24 --set test_interval=6 --set "
                    "test_compute_loss=true --set base_lr=0.02 "
                    "--set 'ema={decay: 0.9 test: true}' --json=out.json " +
                    more));
    EXPECT_EQ(run.code, 0) << run.err;
    std::vector<double> out;
    for (size_t at = 0; (at = run.err.find("Test loss: ", at)) != std::string::npos; ++at)
      out.push_back(std::atof(run.err.c_str() + at + 11));
    return out;
  };
  const std::vector<double> folded = losses(""), plain = losses("--plan_skip=fold");
  ASSERT_GE(folded.size(), 4u);
  ASSERT_EQ(folded.size(), plain.size());
  for (size_t i = 0; i < folded.size(); ++i) EXPECT_NEAR(folded[i], plain[i], 1e-3 * plain[i]) << i;
  EXPECT_GT(std::abs(folded[1] - losses("--set ema.test=false").at(1)), 1e-2)
      << "the average is another net";
}

}  // namespace
}  // namespace crema::whole
