// Freezing is a state: whatever is pruned and planned anew, the bits are those of a run that
// computes everything, also across a resume in any phase; the memory is given back.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "program.hpp"

namespace crema::whole {
namespace {

class FreezeTest : public ProgramTest {
 protected:
  // Statistics to freeze come from a short run without rules.
  void SetUp() override {
    const Outcome first = crema("train --solver=" + fixtures +
                                "freeze_solver.prototxt --threads=2 --set snapshot_prefix=first/x "
                                "--set max_iter=4 --set param_rule=[]");
    ASSERT_EQ(first.code, 0) << first.err;
  }
  Outcome train(const std::string& prefix, const std::string& more = "") const {
    const bool resumes = more.find("--snapshot") != std::string::npos;
    return crema("train --solver=" + fixtures +
                 "freeze_solver.prototxt --log=lines --threads=2 --json=" + prefix +
                 ".json --set snapshot_prefix=" + prefix + "/x " +
                 (resumes ? "" : "--weights=first/x_iter_4.caffemodel ") + more);
  }
  nlohmann::json json(const std::string& prefix) const {
    return nlohmann::json::parse(bytes(prefix + ".json"));
  }
  std::vector<int64_t> replans(const std::string& prefix) const {
    std::vector<int64_t> at;
    const nlohmann::json metrics = json(prefix);
    for (const auto& replan : metrics["replans"]) at.push_back(replan["iteration"]);
    return at;
  }
  void expect_same(const std::string& a, const std::string& b,
                   const std::string& iteration = "48") {
    for (const char* end : {".caffemodel", ".solverstate"}) {
      std::string state = bytes(b + "/x_iter_" + iteration + end);
      // A state names its weights file.
      for (size_t at; (at = state.find(b + "/x_iter")) != std::string::npos;)
        state.replace(at, b.size(), a);
      EXPECT_EQ(bytes(a + "/x_iter_" + iteration + end) == state, true) << a << " " << b << end;
    }
    EXPECT_EQ(json(a)["tests"].back(), json(b)["tests"].back());
  }
};

TEST_F(FreezeTest, pruning_and_planning_anew_change_no_bit) {
  ASSERT_EQ(train("pruned").code, 0);
  const Outcome whole = train("whole0", "--plan_skip=freeze");
  ASSERT_EQ(whole.code, 0) << whole.err;
  expect_same("pruned", "whole0");
  EXPECT_THAT(replans("pruned"), testing::ElementsAre(12, 18, 24, 30, 36));
  EXPECT_THAT(replans("whole0"), testing::ElementsAre(12, 24, 36))
      << "where statistics freeze and thaw";
}

// What is fused must not depend on whether there is a gradient just now.
TEST_F(FreezeTest, nor_do_chains_in_place_under_caffe_compat) {
  const std::string net =
      "--set net=" + fixtures + "freeze_in_place_net.prototxt --set caffe_compat=true ";
  const Outcome pruned = train("pruned", net);
  ASSERT_EQ(pruned.code, 0) << pruned.err;
  ASSERT_EQ(train("whole0", net + "--plan_skip=freeze").code, 0);
  expect_same("pruned", "whole0");
}

TEST_F(FreezeTest, a_resume_in_any_phase_gives_the_same_bits) {
  ASSERT_EQ(train("straight", "--set snapshot=6").code, 0);
  for (const int iteration : {6, 12, 18, 30, 36, 42}) {
    const std::string prefix = "resume" + std::to_string(10 + iteration);  // as long as "straight"
    const Outcome rest = train(prefix, "--set snapshot=6 --snapshot=straight/x_iter_" +
                                           std::to_string(iteration) + ".solverstate");
    ASSERT_EQ(rest.code, 0) << rest.err;
    expect_same("straight", prefix);
  }
}

TEST_F(FreezeTest, rates_are_verified_across_every_change_of_plan_and_a_resume) {
  const std::string verified = "--set verify_interval=1 --events=";
  ASSERT_EQ(train("straight", verified + "straight.jsonl --set snapshot=21").code, 0);
  ASSERT_EQ(
      train("resumed", verified + "resumed.jsonl --snapshot=straight/x_iter_21.solverstate").code,
      0);
  const auto events = [&](const std::string& file, const std::string& kind) {
    std::vector<nlohmann::json> out;
    std::istringstream text(bytes(file));
    for (std::string line; std::getline(text, line);) {
      nlohmann::json event = nlohmann::json::parse(line);
      if (event["event"] == kind) out.push_back(std::move(event));
    }
    return out;
  };
  for (const char* file : {"straight.jsonl", "resumed.jsonl"})
    EXPECT_THAT(events(file, "alarm"), testing::IsEmpty()) << file;
  const auto all = events("straight.jsonl", "verified"), rest = events("resumed.jsonl", "verified");
  ASSERT_EQ(all.size(), 48u);
  ASSERT_EQ(rest.size(), 48u - 21);
  for (size_t i = 0; i < rest.size(); ++i)
    EXPECT_EQ(rest[i]["parameters"], all[21 + i]["parameters"]) << 21 + i;
  // conv1 learns from update 25 to update 36.
  const auto& learning = all[30]["parameters"]["conv1/weight"];
  EXPECT_NEAR(learning["realised_lr"].get<double>(), 0.002, 2e-6);
  EXPECT_GT(learning["update_norm"], 0);
  const auto& frozen = all[40]["parameters"]["conv1/weight"];
  EXPECT_EQ(frozen["update_norm"], 0);
  EXPECT_FALSE(frozen.contains("realised_lr"));
}

TEST_F(FreezeTest, frozen_parameters_and_statistics_keep_their_bits_and_cost_no_memory) {
  const std::string rule = "--set 'param_rule={ from: \"conv1\" to: \"scale2\" freeze: ALWAYS }' ";
  ASSERT_EQ(train("all", "--set 'param_rule=[]' --set max_iter=10").code, 0);
  ASSERT_EQ(train("top", rule + "--set max_iter=10").code, 0);
  EXPECT_LT(json("top")["arena_bytes"], 0.6 * json("all")["arena_bytes"].get<double>());
  // The trunk's blobs are in the file as they were loaded: a run of nothing has the same ones.
  ASSERT_EQ(train("nil", rule + "--set max_iter=0").code, 0);
  const std::string before = bytes("nil/x_iter_0.caffemodel"),
                    after = bytes("top/x_iter_10.caffemodel");
  const size_t trunk = before.find("ip1");
  ASSERT_NE(trunk, std::string::npos);
  EXPECT_EQ(before.substr(0, trunk) == after.substr(0, trunk), true);
  EXPECT_EQ(before == after, false);
}

TEST_F(FreezeTest, live_statistics_go_on_beside_frozen_parameters) {
  const std::string rule = "--set 'param_rule={ from: \"conv1\" to: \"scale2\" freeze: ALWAYS ";
  ASSERT_EQ(train("nil", rule + "}' --set max_iter=0").code, 0);
  ASSERT_EQ(train("live", rule + "bn_stats: LIVE }' --set max_iter=10").code, 0);
  const std::string before = bytes("nil/x_iter_0.caffemodel"),
                    after = bytes("live/x_iter_10.caffemodel");
  const size_t bn = before.find("bn1"), conv2 = before.find("conv2");
  ASSERT_TRUE(bn != std::string::npos && conv2 != std::string::npos);
  EXPECT_EQ(before.substr(0, bn) == after.substr(0, bn), true) << "conv1 rests";
  EXPECT_EQ(before.substr(bn, conv2 - bn) == after.substr(bn, conv2 - bn), false) << "bn1 collects";
}

TEST_F(FreezeTest, statistics_that_were_never_collected_cannot_be_frozen) {
  const Outcome run = crema("train --solver=" + fixtures + "freeze_solver.prototxt");
  EXPECT_EQ(run.code, 2);
  EXPECT_TRUE(run.says("freeze_solver.prototxt:17:")) << run.err;
  EXPECT_TRUE(run.says("layer 'bn2' is frozen, but its running statistics were never collected"));
  EXPECT_TRUE(run.says("layer 'bn1'"));
  EXPECT_TRUE(run.says("bn_stats: LIVE"));
}

TEST_F(FreezeTest, the_log_says_what_learns_from_when_on) {
  const Outcome run = train("said");
  ASSERT_EQ(run.code, 0);
  EXPECT_TRUE(run.says("Iteration 12: 7 of 12 parameters learn; activations and gradients"))
      << run.err;
  EXPECT_TRUE(run.says("Iteration 24: 12 of 12 parameters learn")) << run.err;
  const auto replans = json("said")["replans"];
  EXPECT_GT(replans[2]["arena_bytes"], replans[0]["arena_bytes"]);
  EXPECT_LT(replans[4]["arena_bytes"], replans[2]["arena_bytes"]);
  EXPECT_GT(replans[2]["state_bytes"], replans[0]["state_bytes"]);
}

}  // namespace
}  // namespace crema::whole
