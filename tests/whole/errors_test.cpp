// What a user can get wrong: a clear message, the documented exit code, nothing lost.
#include <sys/mount.h>

#include "program.hpp"

namespace crema::whole {
namespace {

class ErrorsTest : public ProgramTest {
 protected:
  std::string solver() const { return "--solver=" + fixtures + "small_solver.prototxt"; }
  // The report starts at the place in the file and has a caret and a hint.
  static int reports(const Outcome& outcome) {
    int n = 0;
    for (size_t at = 0; (at = outcome.err.find("error: ", at)) != std::string::npos; ++at) ++n;
    return n;
  }
};

TEST_F(ErrorsTest, three_mistakes_are_reported_with_line_and_column) {
  const Outcome run = crema("plan --model=" + fixtures + "three_mistakes.prototxt");
  EXPECT_EQ(run.code, 2);
  EXPECT_EQ(reports(run), 3) << run.err;
  EXPECT_TRUE(run.says("three_mistakes.prototxt:6:")) << run.err;
  EXPECT_TRUE(run.says("three_mistakes.prototxt:13:")) << run.err;
  EXPECT_TRUE(run.says("three_mistakes.prototxt:17:")) << run.err;
}

TEST_F(ErrorsTest, mistakes_of_meaning_are_collected_too) {
  const Outcome run = crema("plan --model=" + fixtures + "three_meanings.prototxt");
  EXPECT_EQ(run.code, 2);
  EXPECT_EQ(reports(run), 3) << run.err;
  EXPECT_TRUE(run.says("did you mean 'Convolution'?")) << run.err;
  EXPECT_TRUE(run.says("did you mean 'data'?")) << run.err;
}

TEST_F(ErrorsTest, layer_types_that_are_not_there_come_with_what_to_write_instead) {
  const Outcome run = crema("plan --model=" + fixtures + "absent_types.prototxt");
  EXPECT_EQ(run.code, 2);
  EXPECT_EQ(reports(run), 3) << run.err;
  EXPECT_TRUE(run.says("convert_imageset")) << run.err;
  EXPECT_TRUE(
      run.says("absent_types.prototxt:4:3: error: layer 'mine': type Python runs code in "
               "Python, which crema does not do"))
      << run.err;
  EXPECT_TRUE(run.says("a layer type in C++")) << run.err;
  EXPECT_TRUE(run.says("write Convolution with group: the number of channels")) << run.err;
}

TEST_F(ErrorsTest, a_gradient_that_does_not_exist_is_refused_with_what_asks_for_it) {
  const Outcome run =
      crema("train --solver=" + fixtures + "row_out_of_range_solver.prototxt --set " +
            "net=" + fixtures + "force_backward_rows.prototxt");
  EXPECT_EQ(run.code, 2) << run.err;
  EXPECT_TRUE(run.says("force_backward_rows.prototxt:3:")) << run.err;
  EXPECT_TRUE(run.says("force_backward: true asks for it")) << run.err;
}

TEST_F(ErrorsTest, a_row_number_out_of_range_is_an_error_of_the_data) {
  const Outcome run =
      crema("train --solver=" + fixtures + "row_out_of_range_solver.prototxt --set " +
            "net=" + fixtures + "row_out_of_range.prototxt");
  EXPECT_EQ(run.code, 4) << run.err;
  EXPECT_TRUE(run.says("layer 'words': index 7 (item 0) is not in 0..6")) << run.err;
}

TEST_F(ErrorsTest, shared_weights_with_two_rates_name_both_lines) {
  const Outcome run = crema("plan --model=" + fixtures + "shared_rates.prototxt");
  EXPECT_EQ(run.code, 2);
  EXPECT_TRUE(run.says("shared_rates.prototxt:16:")) << run.err;
  EXPECT_TRUE(run.says("shared_rates.prototxt:8:")) << run.err;
  EXPECT_TRUE(run.says("'w' has lr_mult 2 here and 1 elsewhere")) << run.err;
}

TEST_F(ErrorsTest, command_line) {
  EXPECT_EQ(crema("").code, 1);
  EXPECT_EQ(crema("trian").code, 1);
  EXPECT_TRUE(crema("trian").says("did you mean 'train'?"));
  EXPECT_EQ(crema("train").code, 1);
  EXPECT_EQ(crema("train test").code, 1);
  EXPECT_TRUE(crema("train --sovler=x").says("did you mean 'solver'?"));
  EXPECT_EQ(crema("train --sovler=x").code, 1);
  EXPECT_EQ(crema("train --solver").code, 1);
  EXPECT_EQ(crema("train " + solver() + " --iterations=many").code, 1);
  EXPECT_EQ(crema("train " + solver() + " --weights=a --snapshot=b").code, 1);
  EXPECT_EQ(crema("train " + solver() + " --engines=onedn").code, 1);
  EXPECT_EQ(crema("train " + solver() + " --log=loud").code, 1);
  EXPECT_EQ(crema("train " + solver() + " --sigint_effect=panic").code, 1);
  EXPECT_EQ(crema("plan --model=x --phase=NIGHT").code, 1);
  EXPECT_EQ(crema("--help").code, 0);
  EXPECT_EQ(crema("--version").code, 0);
}

TEST_F(ErrorsTest, overrides_are_checked_and_located_like_file_input) {
  const Outcome misspelt = crema("explain " + solver() + " --set base_lrr=3");
  EXPECT_EQ(misspelt.code, 2);
  EXPECT_TRUE(misspelt.says("--set base_lrr=3:1:1: error")) << misspelt.err;
  EXPECT_TRUE(misspelt.says("did you mean 'base_lr'?"));
  const Outcome policy = crema("explain " + solver() + " --set lr_policy=stp");
  EXPECT_EQ(policy.code, 2);
  EXPECT_TRUE(policy.says("did you mean 'step'?")) << policy.err;
  EXPECT_EQ(crema("explain " + solver() + " --set type=Adamm").code, 2);
}

TEST_F(ErrorsTest, a_missing_file_is_named) {
  EXPECT_EQ(crema("train --solver=nowhere.prototxt").code, 2);
  EXPECT_EQ(crema("train " + solver() + " --weights=nowhere.caffemodel").code, 7);
  EXPECT_EQ(crema("train " + solver() + " --snapshot=nowhere.solverstate").code, 7);
  const Outcome database = crema("plan --model=" + fixtures + "missing_database.prototxt");
  EXPECT_EQ(database.code, 4);
  EXPECT_TRUE(database.says("missing_database.prototxt:")) << database.err;
}

TEST_F(ErrorsTest, damaged_weights_are_refused_and_kinds_are_told_apart) {
  ASSERT_EQ(crema("train " + solver() + " --set max_iter=2").code, 0);
  const std::string model = "run/small_iter_2.caffemodel", state = "run/small_iter_2.solverstate";
  write("cut.caffemodel", bytes(model).substr(0, bytes(model).size() / 2));
  const Outcome cut = crema("train " + solver() + " --weights=cut.caffemodel");
  EXPECT_EQ(cut.code, 7);
  EXPECT_TRUE(cut.says("cut.caffemodel")) << cut.err;
  EXPECT_EQ(crema("train " + solver() + " --snapshot=" + model).code, 7);
  EXPECT_EQ(crema("train " + solver() + " --weights=" + state).code, 7);
  // The state's weights are no longer those that belong to it.
  std::string changed = bytes(model);
  changed[changed.size() - 3] ^= 1;
  write(model, changed);
  EXPECT_EQ(crema("train " + solver() + " --snapshot=" + state).code, 7);
}

TEST_F(ErrorsTest, all_shape_mismatches_are_one_report) {
  ASSERT_EQ(crema("train " + solver() + " --set max_iter=1").code, 0);
  std::string net = read_file(fixtures + "small_net.prototxt", ErrorCode::kData);
  const auto replace = [&](const std::string& from, const std::string& to) {
    ASSERT_NE(net.find(from), std::string::npos);
    net.replace(net.find(from), from.size(), to);
  };
  replace("num_output: 6", "num_output: 7");
  replace("num_output: 10", "num_output: 11");
  write("wider.prototxt", net);
  const Outcome run = crema("train " + solver() +
                            " --set net=wider.prototxt --weights=run/small_iter_1.caffemodel");
  EXPECT_EQ(run.code, 7);
  EXPECT_TRUE(run.says("'conv1'") && run.says("'ip'") && run.says("on_mismatch: SKIP")) << run.err;
}

TEST_F(ErrorsTest, a_label_out_of_range_is_a_data_error) {
  std::string net = read_file(fixtures + "small_net.prototxt", ErrorCode::kData);
  net.replace(net.find("num_output: 10"), 14, "num_output: 4");
  write("narrow.prototxt", net);
  const Outcome run = crema("train " + solver() + " --set net=narrow.prototxt");
  EXPECT_EQ(run.code, 4);
  EXPECT_TRUE(run.says("label")) << run.err;
  EXPECT_TRUE(run.says("hint:")) << run.err;
}

TEST_F(ErrorsTest, a_full_disk_leaves_earlier_snapshots_untouched) {
  const std::string disk = (folder / "disk").string();
  std::filesystem::create_directories(disk);
  if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=256k") != 0)
    GTEST_SKIP() << "skipped: mounting a small tmpfs needs root";
  const Outcome run = crema("train " + solver() +
                            " --set snapshot_prefix=disk/x --set snapshot=2 --set max_iter=100");
  std::vector<std::string> models;
  bool temporary = false;
  std::string first;
  for (const auto& entry : std::filesystem::directory_iterator(disk)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(".tmp")) temporary = true;
    if (name == "x_iter_2.solverstate") first = name;
  }
  const Outcome resumed = crema("train " + solver() +
                                " --snapshot=disk/x_iter_2.solverstate "
                                "--set snapshot_prefix=elsewhere/x --set max_iter=3");
  ::umount(disk.c_str());
  EXPECT_EQ(run.code, 6) << run.err;
  EXPECT_TRUE(run.says("No space left on device")) << run.err;
  EXPECT_FALSE(temporary) << "half a file was left behind";
  EXPECT_EQ(first, "x_iter_2.solverstate");
  EXPECT_EQ(resumed.code, 0) << resumed.err;
}

TEST_F(ErrorsTest, scripts_find_the_mistake_in_the_json_file_too) {
  const Outcome run = crema("train --solver=nowhere.prototxt --json=result.json");
  EXPECT_EQ(run.code, 2);
  EXPECT_NE(bytes("result.json").find("\"exit_code\": 2"), std::string::npos);
}

}  // namespace
}  // namespace crema::whole
