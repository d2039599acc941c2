// precision: BF16 as a user meets it: where it is refused, what runs, and that runs repeat.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "program.hpp"

namespace crema::whole {
namespace {

class PrecisionTest : public ProgramTest {
 protected:
  std::string train(const std::string& solver = "small_solver.prototxt") const {
    return "train --solver=" + fixtures + solver + " --log=lines --threads=2 ";
  }
  std::string plan() const { return "plan --model=" + fixtures + "small_net.prototxt "; }
  // Not on every processor, nor in every build.
  bool possible() const { return crema(plan() + "--precision=BF16_FORCED").code == 0; }
  void expect_same(const std::string& a, const std::string& b) const {
    EXPECT_TRUE(bytes(a + ".caffemodel") == bytes(b + ".caffemodel")) << a << " " << b;
  }
};

TEST_F(PrecisionTest, without_an_engine_that_has_it_the_field_is_pointed_at) {
  const std::string solver = read_file(fixtures + "small_solver.prototxt", ErrorCode::kData);
  write("small_net.prototxt", read_file(fixtures + "small_net.prototxt", ErrorCode::kData));
  write("solver.prototxt", solver + "precision: BF16_FORCED\n");
  for (const char* verb : {"train", "explain", "find-lr", "time"}) {
    const Outcome run = crema(std::string(verb) + " --solver=solver.prototxt --engines=reference");
    EXPECT_EQ(run.code, 2) << verb;
    EXPECT_THAT(run.err, testing::HasSubstr("solver.prototxt:19:1: error: bf16 is not possible "
                                            "here: reference has no kernels for bf16"))
        << verb;
  }
}

TEST_F(PrecisionTest, flags_are_refused_with_code_1) {
  const Outcome unknown = crema(plan() + "--precision=BF17");
  EXPECT_EQ(unknown.code, 1);
  EXPECT_TRUE(unknown.says("--precision=BF17 is unknown")) << unknown.err;
  EXPECT_TRUE(unknown.says("write F32, BF16 or BF16_FORCED")) << unknown.err;
  const Outcome reference = crema(plan() + "--precision=BF16 --engines=reference");
  EXPECT_EQ(reference.code, 1);
  EXPECT_TRUE(reference.says("bf16 is not possible here")) << reference.err;
}

TEST_F(PrecisionTest, what_the_processor_lacks_is_said) {
  if (!possible()) GTEST_SKIP() << "skipped: no bf16 here";
  const Outcome none = shell("ONEDNN_MAX_CPU_ISA=AVX2 crema " + plan() + "--precision=BF16_FORCED");
  EXPECT_EQ(none.code, 1);
  EXPECT_TRUE(none.says("only on processors with AVX-512")) << none.err;
  // Without instructions for it, oneDNN emulates them at a third of the speed.
  const std::string emulated = "ONEDNN_MAX_CPU_ISA=AVX512_CORE crema ";
  const Outcome slow = shell(emulated + train() + "--set precision=BF16");
  EXPECT_EQ(slow.code, 2);
  EXPECT_TRUE(slow.says("training would not be faster")) << slow.err;
  EXPECT_TRUE(slow.says("write BF16_FORCED to have it all the same")) << slow.err;
  const Outcome forced = shell(emulated + train() + "--set precision=BF16_FORCED --set max_iter=2");
  EXPECT_EQ(forced.code, 0) << forced.err;
  EXPECT_TRUE(forced.says("precision: bf16 in ")) << forced.err;
}

TEST_F(PrecisionTest, the_plan_shows_types) {
  EXPECT_FALSE(crema(plan()).says("bf16"));
  EXPECT_FALSE(crema(plan() + "--precision=F32").says("bf16"));
  if (!possible()) GTEST_SKIP() << "skipped: no bf16 here";
  EXPECT_TRUE(crema(plan() + "--precision=BF16_FORCED").says("bf16:aBcd16b"));
  ASSERT_EQ(crema("time --model=" + fixtures +
                  "small_net.prototxt --iterations=1 --json=t.json "
                  "--precision=BF16_FORCED")
                .code,
            0);
  EXPECT_EQ(nlohmann::json::parse(bytes("t.json"))["precision"], "bf16");
}

TEST_F(PrecisionTest, runs_repeat_and_resume_bit_for_bit_and_save_single_precision) {
  if (!possible()) GTEST_SKIP() << "skipped: no bf16 here";
  const std::string rounded = train() + "--set precision=BF16_FORCED --set max_iter=20 ";
  ASSERT_EQ(crema(rounded + "--set snapshot=8 --set snapshot_prefix=a/x").code, 0);
  ASSERT_EQ(crema(rounded + "--set snapshot_prefix=b/x").code, 0);
  ASSERT_EQ(crema(rounded + "--set snapshot_prefix=c/x --snapshot=a/x_iter_8.solverstate").code, 0);
  expect_same("a/x_iter_20", "b/x_iter_20");
  expect_same("a/x_iter_20", "c/x_iter_20");
  ASSERT_EQ(crema(train() + "--set max_iter=20 --set snapshot_prefix=single/x").code, 0);
  EXPECT_EQ(bytes("single/x_iter_20.caffemodel").size(), bytes("a/x_iter_20.caffemodel").size());
  EXPECT_FALSE(bytes("single/x_iter_20.caffemodel") == bytes("a/x_iter_20.caffemodel"));
}

TEST_F(PrecisionTest, what_is_frozen_changes_no_bit) {
  if (!possible()) GTEST_SKIP() << "skipped: no bf16 here";
  const std::string rounded = train("freeze_solver.prototxt") + "--set precision=BF16_FORCED ";
  const std::string frozen = rounded + "--weights=first/x_iter_4.caffemodel --set snapshot_prefix=";
  ASSERT_EQ(
      crema(rounded + "--set snapshot_prefix=first/x --set max_iter=4 --set param_rule=[]").code,
      0);
  ASSERT_EQ(crema(frozen + "a/x").code, 0);
  ASSERT_EQ(crema(frozen + "b/x --plan_skip=freeze").code, 0);
  expect_same("a/x_iter_48", "b/x_iter_48");
}

TEST_F(PrecisionTest, it_learns_what_single_precision_learns) {
  if (!possible()) GTEST_SKIP() << "skipped: no bf16 here";
  const auto accuracy = [&](const std::string& precision) {
    EXPECT_EQ(crema(train() + "--json=m.json --set precision=" + precision).code, 0);
    return nlohmann::json::parse(bytes("m.json"))["test"]["accuracy"].get<double>();
  };
  const double single = accuracy("F32");
  EXPECT_GT(single, 0.3);
  EXPECT_NEAR(accuracy("BF16_FORCED"), single, 0.15);
}

}  // namespace
}  // namespace crema::whole
