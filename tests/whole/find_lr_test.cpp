// crema find-lr, as a user sees it.
#include <nlohmann/json.hpp>
#include <sstream>

#include "program.hpp"

namespace crema::whole {
namespace {

class FindLrTest : public ProgramTest {
 protected:
  FindLrTest() { std::filesystem::create_symlink(CREMA_SOURCE_DIR "/configs", folder / "configs"); }
  const std::string find = "find-lr --solver=configs/layerwise/rules.prototxt --threads=2 ";
};

TEST_F(FindLrTest, shows_suggestions_for_base_lr_and_for_each_rule) {
  const Outcome one = crema(find + "--iterations=12 --from=1e-4 --to=1e-2");
  ASSERT_EQ(one.code, 0) << one.err;
  EXPECT_TRUE(one.says("base_lr  configs/layerwise/rules.prototxt:4:1")) << one.out;
  for (const char* text : {"steepest", "minimum/10", "valley", "what happened", " 12 "})
    EXPECT_TRUE(one.says(text)) << text << "\n" << one.out;
  EXPECT_FALSE(one.says("param_rule")) << "only with --per_rule";
  const Outcome all = crema(find + "--iterations=12 --from=1e-4 --to=1e-2 --per_rule");
  EXPECT_TRUE(all.says("param_rule[0] lr_mult  configs/layerwise/rules.prototxt:15:1")) << all.out;
  EXPECT_FALSE(std::filesystem::exists(folder / "runs")) << "nothing is left behind";
}

TEST_F(FindLrTest, the_files_hold_every_rate_and_the_same_ones_each_time) {
  const std::string range = "--iterations=12 --from=1e-4 --to=1e-2 --per_rule ";
  const std::string csv = crema(find + range + "--format=csv").out;
  EXPECT_EQ(csv, crema(find + range + "--format=csv").out);
  std::istringstream text(csv);
  std::string line;
  std::getline(text, line);
  EXPECT_EQ(line, "test,rate,lr_mult,loss,smoothed_loss");
  int rows = 0;
  for (; std::getline(text, line); ++rows)
    EXPECT_EQ(line.find(rows < 12 ? "base_lr," : "param_rule[0],"), 0u) << line;
  EXPECT_EQ(rows, 2 * 12);
  EXPECT_NE(csv.find("\nparam_rule[0],0.01,0.5,"), std::string::npos)
      << "the last rate is half of base_lr\n"
      << csv;

  const Outcome run = crema(find + range + "--format=json --plot=deep/rates.svg");
  const nlohmann::json out = nlohmann::json::parse(run.out);
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(out[1]["parameters"].size(), 10u) << "five convolutions";
  EXPECT_NEAR(out[1]["policy_rate"].get<double>(), 0.02, 1e-8);
  ASSERT_EQ(out[0]["points"].size(), 12u);
  EXPECT_NEAR(out[0]["points"][0]["rate"].get<double>(), 1e-4, 1e-12);
  EXPECT_NEAR(out[0]["points"][11]["rate"].get<double>(), 1e-2, 1e-10);
  EXPECT_EQ(bytes("deep/rates.svg").substr(0, 4), "<svg");
}

TEST_F(FindLrTest, begins_where_the_weights_or_the_snapshot_are) {
  ASSERT_EQ(crema("train --solver=configs/layerwise/rules.prototxt --threads=2 "
                  "--set test_interval=1000 --set max_iter=20")
                .code,
            0);
  const std::string at = "--iterations=10 --from=1e-9 --to=1e-8 --format=json ";
  const auto first_loss = [&](const std::string& more) {
    const Outcome run = crema(find + at + more);
    EXPECT_EQ(run.code, 0) << run.err;
    return nlohmann::json::parse(run.out)[0]["points"][0]["loss"].get<double>();
  };
  const double fresh = first_loss("");
  const double tuned = first_loss("--weights=runs/layerwise/rules_iter_20.caffemodel");
  const double resumed = first_loss("--snapshot=runs/layerwise/rules_iter_20.solverstate");
  EXPECT_LT(tuned, fresh - 0.1);
  EXPECT_LT(resumed, fresh - 0.1);
  EXPECT_NE(tuned, resumed) << "the snapshot has seen other batches, and has velocity";
}

TEST_F(FindLrTest, wrong_use_is_refused) {
  EXPECT_EQ(crema(find + "--from=0").code, 1);
  EXPECT_EQ(crema(find + "--from=0.1 --to=0.01").code, 1);
  EXPECT_EQ(crema(find + "--iterations=3").code, 1);
  EXPECT_EQ(crema(find + "--format=xml").code, 1);
  EXPECT_EQ(crema(find + "--weights=a.caffemodel --snapshot=b.solverstate").code, 1);
  const Outcome missing = crema(find + "--weights=nowhere.caffemodel");
  EXPECT_TRUE(missing.says("nowhere.caffemodel")) << missing.err;
  EXPECT_NE(missing.code, 0);
  EXPECT_EQ(crema("find-lr --solver=nowhere.prototxt").code, 2);
  EXPECT_TRUE(crema("--help").says("crema find-lr --solver=S [--per_rule]"));
}

}  // namespace
}  // namespace crema::whole
