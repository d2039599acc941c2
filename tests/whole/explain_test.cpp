// What explain writes, word for word. With CREMA_WRITE_GOLDENS set, the files are written instead:
// look at the difference before it is committed.
#include <nlohmann/json.hpp>

#include "program.hpp"

namespace crema::whole {
namespace {

class ExplainTest : public ProgramTest {
 protected:
  ExplainTest() {
    for (const char* file : {"net.prototxt", "solver.prototxt", "other_solver.prototxt"})
      std::filesystem::copy_file(goldens + file, folder / file);
  }
  void expect_golden(const std::string& name, const std::string& text) const {
    if (std::getenv("CREMA_WRITE_GOLDENS") != nullptr)
      return write_file_atomically(goldens + name, text);
    EXPECT_EQ(text, read_file(goldens + name, ErrorCode::kData)) << name;
  }
  const std::string goldens = fixtures + "explain/";
};

TEST_F(ExplainTest, the_table_is_the_recorded_one) {
  const Outcome run = crema("explain --solver=solver.prototxt");
  ASSERT_EQ(run.code, 0) << run.err;
  expect_golden("table.txt", run.out);
}

TEST_F(ExplainTest, csv_has_a_row_per_parameter_and_time) {
  const Outcome run = crema("explain --solver=solver.prototxt --format=csv --at=0,50,299");
  ASSERT_EQ(run.code, 0) << run.err;
  expect_golden("table.csv", run.out);
}

TEST_F(ExplainTest, json_is_what_scripts_read) {
  const Outcome run = crema("explain --solver=solver.prototxt --format=json --at=49,50");
  ASSERT_EQ(run.code, 0) << run.err;
  expect_golden("table.json", run.out);
  const nlohmann::json out = nlohmann::json::parse(run.out);
  for (const auto& param : out["parameters"])
    if (param["name"] == "conv1/weight") {
      EXPECT_TRUE(param["at"][0]["frozen"]);
      EXPECT_FALSE(param["at"][0]["reached"]) << "backward stops above what is frozen";
      EXPECT_FALSE(param["at"][1]["frozen"]);
      EXPECT_NEAR(param["at"][1]["rate"].get<double>(), 0.001, 1e-9);
    }
}

TEST_F(ExplainTest, differences_of_two_solvers_are_named_with_their_places) {
  const Outcome run = crema("explain --solver=solver.prototxt --diff=other_solver.prototxt");
  ASSERT_EQ(run.code, 0) << run.err;
  expect_golden("difference.txt", run.out);
  EXPECT_EQ(crema("explain --solver=solver.prototxt --diff=solver.prototxt").out,
            "no differences\n");
}

TEST_F(ExplainTest, the_picture_has_a_curve_per_group_and_the_freeze_line) {
  ASSERT_EQ(crema("explain --solver=solver.prototxt --plot=pictures/rates.svg").code, 0);
  const std::string svg = bytes("pictures/rates.svg");
  EXPECT_EQ(svg.substr(0, 4), "<svg");
  size_t curves = 0;
  for (size_t at = 0; (at = svg.find("stroke-width=\"2\"", at)) != std::string::npos; ++at)
    ++curves;
  EXPECT_EQ(curves, 2 * 5u) << "each group's curve, and its sample in the legend";
  EXPECT_NE(svg.find("freeze line moves: 50"), std::string::npos);
  EXPECT_NE(svg.find(">0.01<"), std::string::npos) << "a decade on the axis";
}

TEST_F(ExplainTest, origins_are_what_the_weights_file_and_the_snapshot_say) {
  const std::string live = " --set param_rule[1].bn_stats=LIVE";
  const Outcome untold = crema("explain --solver=other_solver.prototxt");
  EXPECT_TRUE(
      untold.says("bn1/mean and 2 more: frozen, but the running statistics were never "
                  "collected: train refuses"))
      << untold.out;
  EXPECT_EQ(crema("train --solver=other_solver.prototxt").code, 2) << "as explain says";
  const Outcome trained = crema(
      "train --solver=other_solver.prototxt --set max_iter=3 "
      "--set 'snapshot_prefix=\"run\"'" +
      live);
  ASSERT_EQ(trained.code, 0) << trained.err;
  std::string net = bytes("net.prototxt");
  for (size_t at; (at = net.find("\"head\"")) != std::string::npos;) net.replace(at, 6, "\"top\"");
  write("net.prototxt", net);
  const Outcome tuned = crema(
      "explain --solver=other_solver.prototxt --weights=run_iter_3.caffemodel"
      " --format=csv --at=0");
  ASSERT_EQ(tuned.code, 0) << tuned.err;
  EXPECT_TRUE(tuned.says("conv1/weight,Convolution,4x2x3x3,loaded,")) << tuned.out;
  EXPECT_TRUE(tuned.says("top/weight,InnerProduct,3x64,new: xavier,")) << tuned.out;
  write("net.prototxt", read_file(goldens + "net.prototxt", ErrorCode::kData));
  const Outcome resumed =
      crema("explain --solver=other_solver.prototxt --snapshot=run_iter_3.solverstate");
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_TRUE(resumed.says("rate@3 ")) << "the run goes on from there\n" << resumed.out;
  EXPECT_TRUE(resumed.says("snapshot")) << resumed.out;
}

TEST_F(ExplainTest, wrong_use_is_refused) {
  const std::string explain = "explain --solver=solver.prototxt ";
  EXPECT_EQ(crema(explain + "--at=1,x").code, 1);
  EXPECT_EQ(crema(explain + "--at=-3").code, 1);
  EXPECT_EQ(crema(explain + "--format=xml").code, 1);
  EXPECT_EQ(crema(explain + "--diff=solver.prototxt --format=csv").code, 1);
  EXPECT_EQ(crema(explain + "--diff=nowhere.prototxt").code, 2);
  EXPECT_EQ(crema(explain + "--plot=/proc/nowhere/x.svg").code, 6);
  EXPECT_EQ(crema(explain + "--set 'param_rule[0].match[0]=\"convv*\"'").code, 3);
}

}  // namespace
}  // namespace crema::whole
