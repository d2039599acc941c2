// Each verb does what it says.
#include <cmath>
#include <nlohmann/json.hpp>

#include "program.hpp"

namespace crema::whole {
namespace {

class VerbsTest : public ProgramTest {
 protected:
  std::string solver() const { return "--solver=" + fixtures + "small_solver.prototxt"; }
  nlohmann::json json(const std::string& file) const { return nlohmann::json::parse(bytes(file)); }
};

TEST_F(VerbsTest, a_shell_loop_with_set_and_json_is_a_sweep) {
  double losses[2];
  const char* rates[] = {"0.002", "1e-9"};
  for (int i = 0; i < 2; ++i) {
    const Outcome run = crema("train " + solver() +
                              " --set max_iter=100 --set base_lr=" + rates[i] + " --json=out.json");
    ASSERT_EQ(run.code, 0) << run.err;
    const nlohmann::json result = json("out.json");
    EXPECT_EQ(result["iteration"], 100);
    EXPECT_EQ(result["seed"], 7);
    EXPECT_EQ(result["weights"], "run/small_iter_100.caffemodel");
    EXPECT_TRUE(std::filesystem::exists(folder / result["weights"].get<std::string>()));
    EXPECT_EQ(result["tests"].size(), 3u);  // at 0, 50 and 100
    EXPECT_TRUE(result["test"].contains("accuracy"));
    losses[i] = result["loss"];
  }
  EXPECT_LT(losses[0], losses[1] - 0.1) << "the higher rate learns, the tiny one does not";
}

TEST_F(VerbsTest, test_scores_the_weights_of_a_training_run_as_the_run_did) {
  ASSERT_EQ(crema("train " + solver() + " --set max_iter=50 --json=train.json").code, 0);
  const Outcome run =
      crema("test --model=" + fixtures +
            "small_net.prototxt "
            "--weights=run/small_iter_50.caffemodel --iterations=3 --json=test.json");
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_TRUE(run.says("Batch 2, accuracy = ")) << run.err;
  EXPECT_TRUE(run.says("Running for 3 iterations."));
  EXPECT_TRUE(json("test.json")["test"]["accuracy"].is_number());
}

TEST_F(VerbsTest, fine_tuning_copies_by_layer_name_and_says_what_it_did) {
  ASSERT_EQ(crema("train " + solver() + " --set max_iter=2").code, 0);
  std::string net = read_file(fixtures + "small_net.prototxt", ErrorCode::kData);
  for (size_t at; (at = net.find("\"ip\"")) != std::string::npos;) net.replace(at, 4, "\"head\"");
  write("head.prototxt", net);
  const Outcome run = crema("train " + solver() +
                            " --set net=head.prototxt --set max_iter=1 "
                            "--weights=run/small_iter_2.caffemodel --log=lines");
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_TRUE(run.says("loaded conv1, bn1, scale1; in the file but not in the net: ip")) << run.err;
  EXPECT_TRUE(run.says("left at their fillers: head")) << run.err;
}

TEST_F(VerbsTest, explain_shows_every_rate_at_every_step_without_training) {
  const Outcome run = crema("explain " + solver());
  ASSERT_EQ(run.code, 0) << run.err;
  for (const char* text : {"rate@0", "rate@70", "rate@130", "rate@199", "conv1/weight", "bn1/mean",
                           "0.0002 ", "0.0001 ", "5e-05", "running statistic"})
    EXPECT_TRUE(run.says(text)) << text << "\n" << run.out;
  EXPECT_FALSE(std::filesystem::exists(folder / "run")) << "explain writes nothing";
}

TEST_F(VerbsTest, explain_says_what_backward_does_not_reach_and_why) {
  std::string net = read_file(fixtures + "small_net.prototxt", ErrorCode::kData);
  net.replace(net.find("bottom: \"drop1\""), 15, "bottom: \"drop1\" propagate_down: false");
  write("cut.prototxt", net);
  const Outcome run = crema("explain " + solver() + " --set net=cut.prototxt");
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_TRUE(run.says("MOVES BY DECAY ONLY")) << run.out;
  EXPECT_TRUE(run.says("propagate_down")) << run.out;
}

TEST_F(VerbsTest, explain_lists_hidden_states) {
  const std::string sequence = "explain --solver=" + fixtures + "sequence_solver.prototxt";
  const Outcome run = crema(sequence);
  ASSERT_EQ(run.code, 0) << run.err;
  for (const char* text : {"note: lstm/c (1x2x5) goes from each batch to the next", ".solverstate",
                           "lstm/hidden_weight", "20x5", "rnn/output_bias"})
    EXPECT_TRUE(run.says(text)) << text << "\n" << run.out;
  EXPECT_TRUE(crema(sequence + " --set caffe_compat=true").says("and after a resume"));
}

TEST_F(VerbsTest, plan_names_engines_layouts_and_refusals) {
  const Outcome run = crema("plan --model=" + fixtures + "small_net.prototxt");
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_TRUE(run.says("convolution d(conv1/weight), d(conv1/bias)")) << run.out;
  EXPECT_TRUE(run.says("reference:")) << run.out;
  EXPECT_TRUE(run.says("arena")) << run.out;
  const Outcome memory = crema("plan --memory --model=" + fixtures + "small_net.prototxt");
  EXPECT_TRUE(memory.says("Peak ")) << memory.out;
  const auto arena = [&](const std::string& more) {
    const Outcome o = crema("plan --model=" + fixtures + "small_net.prototxt " + more);
    return std::atof(o.out.c_str() + o.out.find("arena ") + 6);
  };
  EXPECT_LT(arena(""), arena("--plan_skip=memory,inplace"));
}

TEST_F(VerbsTest, plan_says_where_only_the_data_decide_a_shape) {
  const std::string model = "--model=" CREMA_TEST_DIR "/exec/nets/filtered.prototxt";
  const Outcome run = crema("plan " + model);
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_TRUE(run.says("Segment 1 of 2")) << run.out;
  EXPECT_TRUE(
      run.says("Segment 2 of 2: from layer 'filter' on, where 'selector' selects 6 (only the "
               "data decide how many"))
      << run.out;
  EXPECT_TRUE(run.says("(filter, 6 rows)")) << run.out;
  // Synthetic labels are 0: no row is selected.
  EXPECT_EQ(crema("time --iterations=2 " + model).code, 0);
}

TEST_F(VerbsTest, time_prints_caffes_summary) {
  const Outcome run = crema("time --iterations=2 --model=" + fixtures + "small_net.prototxt");
  ASSERT_EQ(run.code, 0) << run.err;
  for (const char* text : {"conv1\tforward: ", "conv1\tbackward: ", "Average Forward pass: ",
                           "Average Forward-Backward: ", "Total Time: "})
    EXPECT_TRUE(run.says(text)) << text;
}

TEST_F(VerbsTest, caffes_spelling_works_with_one_dash_and_separate_values) {
  EXPECT_EQ(
      shell("crema train -solver " + fixtures + "small_solver.prototxt -set max_iter=1 -gpu 0")
          .code,
      0);
}

TEST_F(VerbsTest, the_log_is_what_log_parsers_read) {
  const Outcome run = crema("train " + solver() + " --set max_iter=40 --log=lines");
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.err.find("\n\n"), std::string::npos) << "a blank line crashes parse_log.py";
  EXPECT_EQ(run.err[0], 'I');
  EXPECT_EQ(run.err[5], ' ') << "the prefix has month and day, no year: " << run.err.substr(0, 30);
  for (const char* text :
       {"] Solving small", "] Learning Rate Policy: multistep", "] Iteration 0, Testing net (#0)",
        "]     Test net output #0: accuracy = ", "]     Test net output #1: loss = ",
        "] Iteration 20 (", "/20 iters), loss = ", "]     Train net output #0: loss = ",
        "] Iteration 20, lr = 0.002", "] Optimization Done."})
    EXPECT_TRUE(run.says(text)) << text << "\n" << run.err;
}

TEST_F(VerbsTest, a_terminal_gets_a_progress_line) {
  const Outcome run = crema("train " + solver() + " --set max_iter=40 --log=progress");
  ASSERT_EQ(run.code, 0) << run.err;
  for (const char* text : {"images/s", " left", "40/40", "loss ", "lr ", "0: test  accuracy "})
    EXPECT_TRUE(run.says(text)) << text << "\n" << run.err;
}

TEST_F(VerbsTest, several_test_nets_have_their_own_stages_and_iterations) {
  const Outcome run =
      crema("train --solver=" + fixtures + "stages_solver.prototxt --log=lines --json=result.json");
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_TRUE(run.says("Iteration 100, Testing net (#0)") &&
              run.says("Iteration 100, Testing net (#1)"))
      << run.err;
  const auto tests = json("result.json")["tests"];
  ASSERT_EQ(tests.size(), 6u);  // two nets at 0, 100 and 200
  const auto& small = tests[4]["outputs"];
  const auto& large = tests[5]["outputs"];
  EXPECT_EQ(tests[4]["net"], 0);
  EXPECT_EQ(tests[5]["net"], 1);
  EXPECT_FALSE(small.contains("top3"));
  EXPECT_TRUE(large.contains("top3")) << "its level is in test_state";
  EXPECT_GE(large["top3"].get<double>(), large["accuracy"].get<double>());
  // 10 batches of 8, 20 batches of 5.
  const auto whole = [](double share, int samples) {
    return std::abs(share * samples - std::round(share * samples)) < 1e-4;
  };
  EXPECT_TRUE(whole(small["accuracy"], 80)) << small;
  EXPECT_TRUE(whole(large["accuracy"], 100)) << large;
  for (const int net : {0, 1})
    EXPECT_GT(tests[4 + net]["outputs"]["accuracy"].get<double>(),
              tests[net]["outputs"]["accuracy"].get<double>() + 0.2)
        << "both test the weights that are being trained";
}

TEST_F(VerbsTest, debug_info_prints_caffes_lines) {
  const Outcome run =
      crema("train " + solver() +
            " --log=lines --set debug_info=true --set max_iter=21 --set test_iter=1 "
            "--set test_interval=100");
  ASSERT_EQ(run.code, 0) << run.err;
  for (const char* text : {"]     [Forward] Layer data, top blob data data: ",
                           "[Forward] Layer conv1, param blob 1 data: ",
                           "[Forward] Layer accuracy, top blob accuracy data: ",
                           "]     [Backward] Layer loss, bottom blob ip diff: ",
                           "[Backward] Layer conv1, param blob 1 diff: ",
                           "[Backward] All net params (data, diff): L1 norm = ("})
    EXPECT_TRUE(run.says(text)) << text << "\n" << run.err;
  EXPECT_FALSE(run.says("[Backward] Layer bn1, param blob")) << "statistics have no gradient";
  EXPECT_FALSE(run.says("[Backward] Layer conv1, bottom blob data")) << "nothing below learns";
  const auto count = [&](const std::string& text) {
    size_t n = 0;
    for (size_t at = 0; (at = run.err.find(text, at)) != std::string::npos; ++at) ++n;
    return n;
  };
  EXPECT_EQ(count("All net params"), 4u) << "two passes at each of iterations 0 and 20";
  EXPECT_EQ(count("Layer accuracy"), 1u) << "a test net prints always";
}

}  // namespace
}  // namespace crema::whole
