// recompute: AUTO as a user meets it: the budget is held, no bit changes, mistakes are pointed at.
#include <gmock/gmock.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "program.hpp"

namespace crema::whole {
namespace {

class RecomputeTest : public ProgramTest {
 protected:
  Outcome train(const std::string& prefix, const std::string& more) const {
    return crema("train --solver=" + fixtures +
                 "recompute_solver.prototxt --log=lines --threads=2 " + "--json=" + prefix +
                 ".json --set snapshot_prefix=" + prefix + "/x " + more);
  }
  int64_t arena(const std::string& prefix) const {
    return nlohmann::json::parse(bytes(prefix + ".json"))["arena_bytes"];
  }
  static std::string automatic(double mib) {
    return "--set recompute=AUTO --set memory_budget_mib=" + std::to_string(mib) + " ";
  }
  // With the first budget from `mib` on that can be kept whatever is frozen.
  Outcome train_within(double mib, double most, const std::string& more) const {
    for (; mib < most; mib += 0.05 * most) {
      const Outcome run = train("auto", more + automatic(mib));
      if (run.code == 2 && run.says("cannot be kept")) continue;
      EXPECT_EQ(run.code, 0) << run.err;
      EXPECT_LE(arena("auto"), std::ceil(mib * 1048576));
      return run;
    }
    ADD_FAILURE() << "no budget below " << most << " can be kept";
    return {};
  }
  // What debug_info says, without times and process.
  static std::string debug_lines(const Outcome& run) {
    std::istringstream lines(run.err);
    std::string out;
    for (std::string line; std::getline(lines, line);)
      if (const size_t at = line.find("    ["); at != std::string::npos)
        out += line.substr(at) + "\n";
    return out;
  }
  // A state names its weights file.
  std::string state(const std::string& prefix) const {
    std::string out = bytes(prefix + "/x_iter_12.solverstate");
    for (size_t at; (at = out.find(prefix + "/x")) != std::string::npos;)
      out.replace(at, prefix.size() + 2, "run/x");
    return out;
  }
  void expect_same(const std::string& a, const std::string& b) const {
    for (const char* end : {"/x_iter_12.caffemodel", "/x_iter_12.ema.caffemodel"})
      EXPECT_TRUE(bytes(a + end) == bytes(b + end)) << end;
    EXPECT_TRUE(state(a) == state(b));
  }
  // The budget that an error says is the least.
  static double least(const Outcome& run) {
    const std::string before = "scratch memory of this net need ";
    const size_t at = run.err.find(before);
    return at == std::string::npos ? 0 : std::stod(run.err.substr(at + before.size()));
  }
  // The arena in the last line of `crema plan`, in MiB.
  static double planned(const Outcome& run) {
    const size_t at = run.out.rfind("arena ");
    return at == std::string::npos ? 0 : std::stod(run.out.substr(at + 6));
  }
  const std::string resnet18 = "plan --synthetic --batch=2 --model=" CREMA_TEST_DIR
                               "/../models/resnet18/train_val.prototxt ";
};

// Dropout, running statistics, shared weights, freezing in between, an average of the weights.
TEST_F(RecomputeTest, no_bit_depends_on_it) {
  for (const char* more :
       {"", "--plan_skip=update ", "--set iter_size=2 ", "--set clip_gradients=0.5 ",
        "--set debug_info=true ", "--engines=reference "}) {
    SCOPED_TRACE(more);
    const Outcome none = train("none", more + std::string("--set recompute=NONE"));
    ASSERT_EQ(none.code, 0) << none.err;
    ASSERT_EQ(train("rule", more + std::string("--set recompute=CHEAP")).code, 0);
    expect_same("rule", "none");
    const double kept = static_cast<double>(arena("none")) / 1048576;
    const Outcome run = train_within(0.7 * kept, kept, more);
    EXPECT_TRUE(run.says("recompute: ")) << run.err;
    EXPECT_LT(arena("auto"), arena("none"));
    EXPECT_EQ(debug_lines(run), debug_lines(none));
    expect_same("auto", "none");
  }
}

TEST_F(RecomputeTest, a_resume_with_another_budget_changes_no_bit) {
  ASSERT_EQ(train("none", "--set recompute=NONE").code, 0);
  const double kept = static_cast<double>(arena("none")) / 1048576;
  ASSERT_EQ(train("auto", "--set snapshot=5 " + automatic(kept)).code, 0);
  std::filesystem::remove(folder / "auto/x_iter_12.caffemodel");
  train_within(0.7 * kept, kept, "--snapshot=auto/x_iter_5.solverstate ");
  EXPECT_TRUE(bytes("auto/x_iter_12.caffemodel") == bytes("none/x_iter_12.caffemodel"));
}

TEST_F(RecomputeTest, leaving_the_pass_out_keeps_everything) {
  ASSERT_EQ(train("none", "--set recompute=NONE").code, 0);
  ASSERT_EQ(train("skip", "--plan_skip=recompute " + automatic(0.001)).code, 0);
  EXPECT_EQ(arena("skip"), arena("none"));
}

TEST_F(RecomputeTest, what_cannot_be_kept_is_said_before_anything_is_trained) {
  const std::string net = read_file(fixtures + "recompute_net.prototxt", ErrorCode::kData);
  write("recompute_net.prototxt", net);
  write("solver.prototxt",
        "net: \"recompute_net.prototxt\"\nbase_lr: 0.01\nlr_policy: \"fixed\"\nmax_iter: 3\n"
        "recompute: AUTO\nmemory_budget_mib: 0.25\n");
  const Outcome run = crema("train --solver=solver.prototxt --log=lines --json=run.json");
  EXPECT_EQ(run.code, 2);
  EXPECT_TRUE(
      run.says("solver.prototxt:6:1: error: the memory budget of 0.25 MiB cannot be kept: "
               "activations, gradients and scratch memory of this net need "))
      << run.err;
  EXPECT_TRUE(
      run.says("a smaller batch_size (with iter_size for the same updates), precision: "
               "BF16 or frozen lower layers need less"))
      << run.err;
  EXPECT_FALSE(run.says("Iteration 0"));
  EXPECT_EQ(nlohmann::json::parse(bytes("run.json"))["exit_code"], 2);
  const double enough = least(run);
  EXPECT_GT(enough, 0);
  const Outcome kept = crema("train --solver=solver.prototxt --log=lines --set memory_budget_mib=" +
                             std::to_string(enough));
  EXPECT_EQ(kept.code, 0) << kept.err;
}

// All but the last layer are frozen until iteration 4: nothing lies idle for them till then.
TEST_F(RecomputeTest, a_budget_that_later_plans_cannot_keep_is_refused_at_the_start) {
  std::string solver = read_file(fixtures + "recompute_solver.prototxt", ErrorCode::kData);
  for (const char* layer : {"conv*", "scale2", "left"})
    solver += "param_rule { match: \"" + std::string(layer) + "\" freeze_until: 4 }\n";
  write("solver.prototxt", solver);
  write("recompute_net.prototxt", read_file(fixtures + "recompute_net.prototxt", ErrorCode::kData));
  const auto within = [&](double mib) {
    return crema("train --solver=solver.prototxt --log=lines --batch=16 " + automatic(mib));
  };
  const Outcome refused = within(0.25), later = within(least(refused));
  EXPECT_EQ(refused.code, 2);
  EXPECT_FALSE(refused.says("from iteration 4 on")) << refused.err;
  EXPECT_EQ(later.code, 2);
  EXPECT_TRUE(later.says("so it will be from iteration 4 on")) << later.err;
  EXPECT_FALSE(later.says("Starting Optimization"));
  EXPECT_GT(least(later), least(refused));
  EXPECT_EQ(within(least(later)).code, 0);
}

TEST_F(RecomputeTest, the_least_that_an_error_names_can_be_kept) {
  const Outcome refused = crema(resnet18 + "--recompute=AUTO --memory_budget_mib=1");
  EXPECT_EQ(refused.code, 1);
  const double enough = least(refused), none = planned(crema(resnet18 + "--recompute=NONE"));
  EXPECT_LT(enough, 0.85 * none);
  for (const double budget : {enough, (enough + none) / 2, none + 0.1}) {
    const std::string flags = "--recompute=AUTO --memory_budget_mib=" + std::to_string(budget);
    const Outcome kept = crema(resnet18 + flags);
    ASSERT_EQ(kept.code, 0) << kept.err;
    EXPECT_LE(planned(kept), budget + 0.05) << "as rounded";
    EXPECT_EQ(kept.says(" again "), budget < none);
    EXPECT_TRUE(kept.says("; budget ")) << kept.out;
    EXPECT_TRUE(crema(resnet18 + flags + " --memory").says("; budget "));
  }
}

TEST_F(RecomputeTest, plan_says_what_the_default_saves) {
  const Outcome none = crema(resnet18 + "--recompute=NONE"), plan = crema(resnet18);
  EXPECT_FALSE(none.says("again")) << none.out;
  EXPECT_FALSE(crema(resnet18 + "--plan_skip=recompute").says("again"));
  // Whether there is an engine that fuses normalisation depends on the build.
  EXPECT_EQ(plan.says("Computed again: "), planned(plan) < planned(none));
  EXPECT_EQ(plan.says("fused_batch_norm again"), none.says("fused_batch_norm"));
}

TEST_F(RecomputeTest, flags_are_refused_with_code_1) {
  const auto expect = [&](const std::string& flags, const std::string& what) {
    for (const std::string verb : {"plan", "time --iterations=1"}) {
      const Outcome run = crema(verb + " --model=" + fixtures + "recompute_net.prototxt " + flags);
      EXPECT_EQ(run.code, 1) << flags;
      EXPECT_TRUE(run.says(what)) << run.err;
    }
  };
  expect("--recompute=SOME", "--recompute=SOME is unknown\n  hint: write NONE, CHEAP or AUTO");
  expect("--recompute=AUTO", "--recompute=AUTO needs a budget");
  expect("--memory_budget_mib=9", "--memory_budget_mib is read with --recompute=AUTO only");
  for (const char* budget : {"0", "-1", "nan", "inf"})
    expect(std::string("--recompute=AUTO --memory_budget_mib=") + budget,
           "--memory_budget_mib must be a number > 0, not ");
  expect("--recompute=AUTO --memory_budget_mib=0.01", "the memory budget of 0.01 MiB cannot be");
  expect("--recompute=AUTO --memory_budget_mib=9 --phase=TEST",
         "--recompute is about the backward");
}

TEST_F(RecomputeTest, settings_are_refused_where_they_are_written) {
  const Outcome alone = train("x", "--set memory_budget_mib=7");
  EXPECT_EQ(alone.code, 2);
  EXPECT_TRUE(alone.says("memory_budget_mib is read with recompute: AUTO only")) << alone.err;
  const Outcome none = train("x", "--set recompute=AUTO");
  EXPECT_EQ(none.code, 2);
  EXPECT_TRUE(none.says("recompute: AUTO needs a budget")) << none.err;
  const Outcome zero = train("x", automatic(0));
  EXPECT_EQ(zero.code, 2);
  EXPECT_TRUE(zero.says("memory_budget_mib must be a number > 0, not 0")) << zero.err;
}

}  // namespace
}  // namespace crema::whole
