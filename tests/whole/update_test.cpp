// Parameters are updated as soon as their gradients are complete: the bits are those of updates
// after the pass, whatever the optimizer and whoever looks on; the gradients' memory is used again.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "program.hpp"

namespace crema::whole {
namespace {

class UpdateTest : public ProgramTest {
 protected:
  void train(const std::string& prefix, const std::string& more) const {
    const Outcome run =
        crema("train --solver=" + fixtures + "update_solver.prototxt --log=lines --threads=2 " +
              "--events=" + prefix + ".jsonl --json=" + prefix +
              ".json --set snapshot_prefix=" + prefix + "/x " + more);
    ASSERT_EQ(run.code, 0) << run.err;
  }
  // With and without --plan_skip=update; `more` without what names the prefix.
  void expect_same(const std::string& more) const {
    SCOPED_TRACE(more);
    train("one", more);
    train("all", more + " --plan_skip=update");
    for (const char* end : {".caffemodel", ".ema.caffemodel", ".solverstate"})
      EXPECT_EQ(renamed(bytes("all/x_iter_12" + std::string(end))) ==
                    renamed(bytes("one/x_iter_12" + std::string(end))),
                true)
          << end;
    const auto one = events("one"), all = events("all");
    ASSERT_EQ(one.size(), all.size());
    for (size_t i = 0; i < one.size(); ++i) ASSERT_EQ(one[i], all[i]);
  }
  // A state names its weights file.
  static std::string renamed(std::string state) {
    for (const char* prefix : {"one/x", "all/x"})
      for (size_t at; (at = state.find(prefix)) != std::string::npos;)
        state.replace(at, 5, "run/x");
    return state;
  }
  // What happened, without times, sizes and names of files.
  std::vector<nlohmann::json> events(const std::string& prefix) const {
    std::vector<nlohmann::json> out;
    std::istringstream text(bytes(prefix + ".jsonl"));
    for (std::string line; std::getline(text, line);) {
      nlohmann::json event = nlohmann::json::parse(line);
      for (const char* field :
           {"wall", "seconds", "arena_bytes", "weights", "state", "iterations_per_second"})
        event.erase(field);
      if (event["event"] != "message") out.push_back(std::move(event));
    }
    return out;
  }
  int64_t number(const std::string& prefix, const std::string& field) const {
    return nlohmann::json::parse(bytes(prefix + ".json"))[field];
  }
};

TEST_F(UpdateTest, no_bit_depends_on_when_parameters_are_updated) {
  for (const char* type : {"SGD", "Adam", "LARS"}) expect_same("--set type=" + std::string(type));
  expect_same("--set type=Nesterov --set clip_value=0.01 --set snapshot_diff=true");
  expect_same("--set 'param_rule={ match: \"ip2\" freeze: ALWAYS }' --set type=LAMB");
}

TEST_F(UpdateTest, whatever_needs_all_gradients_has_them) {
  for (const char* more : {"--set iter_size=2", "--set debug_info=true --set max_iter=1"}) {
    train("some", more);
    EXPECT_GT(number("some", "gradient_bytes"), 1000000) << more;
  }
  expect_same("--set clip_gradients=0.5 --set clip_scope=PARAMETER");
  EXPECT_GT(number("one", "gradient_bytes"), 1000000);
  train("plain", "--set max_iter=1");
  EXPECT_LT(number("plain", "gradient_bytes"), 30000) << "that of idle, zeros";
}

TEST_F(UpdateTest, no_bit_depends_on_updates_in_pieces) {
  const auto run = [&](const std::string& prefix, const std::string& more) {
    const Outcome done = crema("train --solver=" + fixtures +
                               "pieces_solver.prototxt --log=lines --threads=2 --events=" + prefix +
                               ".jsonl --set snapshot_prefix=" + prefix + "/x " + more);
    ASSERT_EQ(done.code, 0) << done.err;
    EXPECT_TRUE(done.says("3 updates verified: every parameter learned at its configured rate"))
        << done.err;
  };
  for (const std::string type : {"SGD", "Adam", "LARS --set base_lr=0.1"}) {
    SCOPED_TRACE(type);
    const std::string more = "--set type=" + type;
    run("one", more);
    run("all", more + " --plan_skip=update");
    for (const char* end : {".caffemodel", ".solverstate"})
      EXPECT_EQ(renamed(bytes("all/x_iter_3" + std::string(end))) ==
                    renamed(bytes("one/x_iter_3" + std::string(end))),
                true)
          << end;
    const auto one = events("one"), all = events("all");
    ASSERT_EQ(one.size(), all.size());
    for (size_t i = 0; i < one.size(); ++i)
      EXPECT_EQ(one[i]["event"] != "histograms" || one[i] == all[i], true) << i;
  }
  const Outcome plan = crema("plan --memory --model=" + fixtures + "pieces_net.prototxt");
  EXPECT_TRUE(plan.says("updates ip1/weight in ")) << plan.out;
  EXPECT_TRUE(plan.says("updates ip2/weight in ")) << plan.out;
}

TEST_F(UpdateTest, a_resume_between_changes_no_bit) {
  train("one", "--set snapshot=5");
  const std::string weights = bytes("one/x_iter_12.caffemodel");
  std::filesystem::remove(folder / "one/x_iter_12.caffemodel");
  train("one", "--snapshot=one/x_iter_5.solverstate");
  EXPECT_EQ(bytes("one/x_iter_12.caffemodel") == weights, true);
}

// The loss of an iteration decides whether there is an update: none with a loss that is no number.
TEST_F(UpdateTest, a_bad_loss_stops_the_run_before_the_update) {
  const auto report = [&](const std::string& more) {
    const Outcome run = crema("train --solver=" + fixtures +
                              "update_solver.prototxt --log=lines --threads=2 --set base_lr=1e30 " +
                              "--set verify_interval=0 --set histogram_interval=0 " + more);
    EXPECT_EQ(run.code, 5) << run.err;
    return run.err.substr(run.err.find("the loss became"));
  };
  EXPECT_EQ(report(""), report("--plan_skip=update"));
}

TEST_F(UpdateTest, plan_shows_that_gradients_share_memory) {
  const std::string model = "--model=" + fixtures + "update_net.prototxt ";
  const Outcome one = crema("plan " + model), all = crema("plan " + model + "--plan_skip=update");
  ASSERT_EQ(one.code, 0) << one.err;
  // conv1, scale1, the twin, three inner products.
  EXPECT_TRUE(one.says("Updates: 11 parameters, each as soon as its gradient is complete"))
      << one.out;
  EXPECT_FALSE(all.says("Updates:")) << all.out;
  const auto mib = [](const std::string& out, const std::string& before) {
    const char* at = out.c_str() + out.rfind(before) + before.size();
    char* unit = nullptr;
    const double number = std::strtod(at, &unit);
    return number * (unit[1] == 'M' ? 1 << 20 : unit[1] == 'K' ? 1 << 10 : 1);
  };
  EXPECT_EQ(mib(one.out, "gradients "), 0);
  const double gradients = mib(all.out, "gradients ");
  EXPECT_GT(gradients, 1000000);
  EXPECT_LT(mib(one.out, "arena "), 0.8 * gradients);
  const Outcome memory = crema("plan --memory " + model);
  EXPECT_TRUE(memory.says("; then updates ip3/weight")) << memory.out;
}

}  // namespace
}  // namespace crema::whole
