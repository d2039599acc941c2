// The file sinks, as a user sees them.
#include <nlohmann/json.hpp>
#include <sstream>

#include "program.hpp"

namespace crema::whole {
namespace {

class EventsTest : public ProgramTest {
 protected:
  std::string solver() const { return "--solver=" + fixtures + "small_solver.prototxt"; }
  std::vector<nlohmann::json> lines(const std::string& kind) const {
    std::vector<nlohmann::json> out;
    std::istringstream text(bytes("events.jsonl"));
    for (std::string line; std::getline(text, line);) {
      nlohmann::json event = nlohmann::json::parse(line);
      if (event["event"] == kind) out.push_back(std::move(event));
    }
    return out;
  }
};

TEST_F(EventsTest, a_run_is_written_line_by_line_and_a_resumed_one_goes_on) {
  const std::string sinks = " --events=events.jsonl --tensorboard=board";
  ASSERT_EQ(crema("train " + solver() + " --set max_iter=10 --set snapshot=5" + sinks).code, 0);
  EXPECT_EQ(lines("run").size(), 1u);
  const auto train = lines("train");
  ASSERT_EQ(train.size(), 10u);
  EXPECT_EQ(train[9]["iteration"], 10);
  EXPECT_NEAR(train[9]["epoch"].get<double>(), 10 * 32 / 300.0, 1e-9) << "iter_size 2 x batch 16";
  EXPECT_TRUE(train[9]["gradient_norm"].is_number()) << "clip_gradients needs it";
  const double rate = train[9]["lr"];
  EXPECT_NEAR(train[9]["group_lr"]["conv1/weight"].get<double>(), 0.1f * rate, 1e-12);
  EXPECT_NEAR(train[9]["group_lr"]["conv1/bias"].get<double>(), 0.2f * rate, 1e-12);
  EXPECT_EQ(lines("test").size(), 1u);
  EXPECT_EQ(lines("snapshot").size(), 2u);
  EXPECT_EQ(lines("end").size(), 1u);

  ASSERT_EQ(crema("train " + solver() +
                  " --set max_iter=12 --snapshot=run/small_iter_10.solverstate" + sinks)
                .code,
            0);
  EXPECT_EQ(lines("run").size(), 2u);
  EXPECT_EQ(lines("run")[1]["iteration"], 10);
  EXPECT_EQ(lines("train").size(), 12u);
  int files = 0;
  for ([[maybe_unused]] const auto& file : std::filesystem::directory_iterator(folder / "board"))
    ++files;
  EXPECT_EQ(files, 2);
}

TEST_F(EventsTest, a_failed_run_says_so_in_its_events) {
  const Outcome run = crema("train " + solver() +
                            " --set max_iter=50 --set type=SGD --set base_lr=1e20 "
                            "--set clip_gradients=-1 --events=events.jsonl");
  EXPECT_EQ(run.code, 5) << run.err;
  ASSERT_EQ(lines("failed").size(), 1u);
  EXPECT_EQ(lines("failed")[0]["exit_code"], 5);
}

TEST_F(EventsTest, wrong_use_is_refused) {
  EXPECT_EQ(crema("train " + solver() + " --event_interval=0").code, 1);
  const Outcome run = crema("train " + solver() + " --events=/proc/nowhere/x.jsonl");
  EXPECT_EQ(run.code, 6) << run.err;
  EXPECT_TRUE(run.says("/proc/nowhere")) << run.err;
}

}  // namespace
}  // namespace crema::whole
