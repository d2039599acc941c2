// explain and plan look at nets whose data are not there.
#include "program.hpp"

namespace crema::whole {
namespace {

class NoDataTest : public ProgramTest {
 protected:
  NoDataTest() {
    std::filesystem::create_symlink(CREMA_SOURCE_DIR "/models", folder / "models");
    std::filesystem::create_symlink(CREMA_SOURCE_DIR "/configs", folder / "configs");
  }
  const std::string missing = fixtures + "missing_database.prototxt";
};

TEST_F(NoDataTest, explain_takes_shapes_from_the_definition_and_says_what_it_assumed) {
  const Outcome caffenet = crema("explain --solver=configs/caffenet/solver.prototxt");
  ASSERT_EQ(caffenet.code, 0) << caffenet.err;
  EXPECT_TRUE(
      caffenet.says("there is no 'data/ilsvrc12/train_lmdb'; 'data' is taken to be 256x3x227x227, "
                    "--shape=data:... says otherwise"))
      << caffenet.out;
  EXPECT_TRUE(caffenet.says("4096x9216")) << "shapes above the data follow\n" << caffenet.out;
  const Outcome cifar = crema("explain --solver=configs/cifar10/solver.prototxt");
  ASSERT_EQ(cifar.code, 0) << cifar.err;
  EXPECT_TRUE(cifar.says("100x3x32x32")) << cifar.out;
  EXPECT_EQ(crema("train --solver=configs/cifar10/solver.prototxt").code, 4)
      << "what runs needs its data";
}

TEST_F(NoDataTest, a_stated_shape_takes_the_place_of_the_data) {
  const std::string plan = "plan --model=models/caffenet/train_val.prototxt";
  const Outcome stated = crema(plan + " --batch=2 --shape=data:3x227x227");
  ASSERT_EQ(stated.code, 0) << stated.err;
  EXPECT_FALSE(stated.says("note: ")) << stated.out;
  EXPECT_EQ(crema(plan + " --shape=data:3x10x10").code, 2) << "too small a picture";
  EXPECT_EQ(crema("plan --model=" + missing + " --shape=data:1x5x5").code, 0);
}

TEST_F(NoDataTest, shapes_that_nothing_tells_are_asked_for) {
  const Outcome run = crema("plan --model=" + missing);
  EXPECT_EQ(run.code, 4) << run.err;
  EXPECT_TRUE(run.says("missing_database.prototxt:7:")) << run.err;
  EXPECT_TRUE(run.says("no/such/lmdb")) << run.err;
  EXPECT_TRUE(run.says("--shape=data:")) << run.err;
}

TEST_F(NoDataTest, wrong_use_is_refused) {
  const Outcome blob = crema("plan --model=" + missing + " --shape=dat:3x5x5");
  EXPECT_EQ(blob.code, 1);
  EXPECT_TRUE(blob.says("did you mean 'data'?")) << blob.err;
  const std::string solver = " --solver=configs/cifar10/solver.prototxt";
  EXPECT_EQ(crema("train" + solver + " --shape=data:3x32x32").code, 1);
  EXPECT_EQ(crema("explain" + solver + " --epoch_samples=-1").code, 1);
}

}  // namespace
}  // namespace crema::whole
