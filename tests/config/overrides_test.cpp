#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/config.hpp"

namespace crema::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

const char* const kSolver =
    "net_param { layer { name: 'data' type: 'Input' top: 'data' } }\n"
    "base_lr: 0.1\nstepvalue: [10, 20, 30]\ntype: 'SGD'\ntrain_state { stage: 'a' level: 2 }\n"
    "weights: 'one'\nsolver_mode: CPU\n";

SolverConfig with(const std::vector<std::string>& overrides) {
  return parse_solver("s", kSolver, overrides);
}

std::string report(const std::vector<std::string>& overrides) {
  try {
    with(overrides);
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kConfig);
    return error.report();
  } catch (const ErrorList& list) {
    return list.what();
  }
  return "accepted";
}

TEST(Set, Scalars) {
  const SolverConfig solver = with({"base_lr=0.02", "solver.max_iter = 7", "solver_mode=GPU",
                                    "test_initialization=false", "type=Adam"});
  EXPECT_EQ(solver.param.base_lr(), 0.02f);
  EXPECT_EQ(solver.param.max_iter(), 7);
  EXPECT_EQ(solver.param.solver_mode(), caffe::SolverParameter::GPU);
  EXPECT_FALSE(solver.param.test_initialization());
  EXPECT_EQ(solver.param.type(), "Adam");
}

TEST(Set, PlacesPointToTheOverride) {
  const SolverConfig solver = with({"base_lr=0.02", "solver.stepvalue=[1, 2]",
                                    "test_state[0].level=3", "test_iter=1", "test_interval=1"});
  EXPECT_EQ(solver.places.at("base_lr").text(), "--set base_lr=0.02:1:1");
  EXPECT_EQ(solver.places.at("stepvalue[1]").text(), "--set solver.stepvalue=[1, 2]:1:22");
  EXPECT_EQ(solver.places.at("stepvalue[2]").text(), "s");  // gone with the old list
  EXPECT_EQ(solver.places.at("test_state.level").line, 1);
  EXPECT_THAT(solver.places.at("test_state").text(), StartsWith("--set test_state[0]"));
  EXPECT_EQ(solver.places.at("type").text(), "s:4:1");
}

TEST(Set, ListsAreReplacedAsAWhole) {
  EXPECT_THAT(with({"stepvalue=[100,200]"}).param.stepvalue(), ElementsAre(100, 200));
  EXPECT_THAT(with({"stepvalue=5"}).param.stepvalue(), ElementsAre(5));
  EXPECT_THAT(with({"stepvalue=[]"}).param.stepvalue(), ElementsAre());
  EXPECT_THAT(with({"weights=[a b.caffemodel, /c/d,'e']"}).param.weights(),
              ElementsAre("a b.caffemodel", "/c/d", "e"));
  EXPECT_THAT(with({"weights=[\"a,b\", \"c\"]"}).param.weights(), ElementsAre("a,b", "c"));
  EXPECT_THAT(with({"weights=[]"}).param.weights(), ElementsAre());
  EXPECT_THAT(with({"weights=a,b "}).param.weights(), ElementsAre("a,b"));
}

TEST(Set, OneElement) {
  const SolverConfig solver = with({"stepvalue[1]=15"});
  EXPECT_THAT(solver.param.stepvalue(), ElementsAre(10, 15, 30));
  EXPECT_EQ(solver.places.at("stepvalue[1]").text(), "--set stepvalue[1]=15:1:1");
  EXPECT_EQ(solver.places.at("stepvalue[2]").text(), "s:3:21");
  EXPECT_THAT(with({"stepvalue[0]=5"}).param.stepvalue(), ElementsAre(5, 20, 30));
  EXPECT_EQ(with({"stepvalue[0]=5"}).places.at("stepvalue[2]").text(), "s:3:21");
  EXPECT_THAT(with({"stepvalue[3]=40"}).param.stepvalue(), ElementsAre(10, 20, 30, 40));
}

TEST(Set, Blocks) {
  EXPECT_THAT(with({"train_state.stage=\"b\""}).train_net.header.state().stage(), ElementsAre("b"));
  EXPECT_EQ(with({"train_state.stage=b"}).train_net.header.state().level(), 2);
  const caffe::NetState state = with({"train_state={stage: 'c' stage: 'd'}"}).param.train_state();
  EXPECT_THAT(state.stage(), ElementsAre("c", "d"));
  EXPECT_FALSE(state.has_level());
  EXPECT_EQ(with({"net_param.layer[0].name=other"}).train_net.layers[0].param.name(), "other");
  EXPECT_EQ(with({"net_param.layer[1].type=ReLU"}).train_net.layers.size(), 2u);
}

TEST(Set, TextsNeedNoQuotes) {
  EXPECT_EQ(with({"snapshot_prefix=runs/my run#1"}).param.snapshot_prefix(), "runs/my run#1");
  EXPECT_EQ(with({"snapshot_prefix=\"\""}).param.snapshot_prefix(), "");
  EXPECT_EQ(with({"snapshot_prefix=it's \\ \"so\""}).param.snapshot_prefix(), "it's \\ \"so\"");
  EXPECT_EQ(with({"snapshot_prefix=a=b"}).param.snapshot_prefix(), "a=b");
}

TEST(Set, LaterOnesAndEitherFormOfTheTypeWin) {
  EXPECT_EQ(with({"base_lr=1", "base_lr=2"}).param.base_lr(), 2);
  EXPECT_EQ(with({"solver_type=ADAM"}).param.type(), "Adam");
  EXPECT_EQ(with({"solver_type=ADAM", "type=SGD"}).param.type(), "SGD");
  EXPECT_THAT(with({"solver_type=ADAM"}).places.at("type").text(), StartsWith("--set solver_type"));
}

TEST(Set, ChecksComeAfterOverrides) {
  EXPECT_THAT(report({"average_loss=0"}),
              StartsWith("--set average_loss=0:1:1: error: average_loss must be at least 1"));
  EXPECT_THAT(report({"net=x.prototxt"}), HasSubstr("the training net is given 2 times"));
}

TEST(Set, WrongValues) {
  EXPECT_EQ(report({"base_lr=x"}),
            "--set base_lr=x:1:9: error: base_lr expects a number, not x\n    base_lr=x\n"
            "            ^");
  EXPECT_THAT(report({"solver_mode=CUDA"}), HasSubstr(":1:13: error: unknown value 'CUDA'"));
  EXPECT_THAT(report({"stepvalue=[1,b]"}), HasSubstr(":1:14: error: stepvalue expects a whole"));
  EXPECT_THAT(report({"train_state=5"}), HasSubstr("expects a block"));
  EXPECT_THAT(report({"train_state={levle: 1}"}), HasSubstr("did you mean 'level'?"));
  EXPECT_THAT(report({"base_lr="}), HasSubstr(":1:9: error: 'base_lr' needs a value"));
  EXPECT_THAT(report({"type= "}), HasSubstr("write type=\"\""));
  EXPECT_THAT(report({"base_lr=1 max_iter: 5"}), HasSubstr("use one --set for each field"));
  EXPECT_THAT(report({"stepvalue[0]=[1,2]"}), HasSubstr("expected one value"));
  EXPECT_THAT(report({"base_lr=#"}), HasSubstr("'base_lr' has no value"));
  EXPECT_THAT(report({"base_lr=[1]"}), HasSubstr("takes one value, not a list"));
}

TEST(Set, WrongFields) {
  EXPECT_THAT(report({"base_rl=1"}),
              StartsWith("--set base_rl=1:1:1: error: unknown field 'base_rl' in the solver "
                         "definition"));
  EXPECT_THAT(report({"base_rl=1"}), HasSubstr("did you mean 'base_lr'?"));
  EXPECT_THAT(report({"train_state.stag=1"}),
              HasSubstr(":1:13: error: unknown field 'stag' in 'train_state'"));
  EXPECT_THAT(report({"base_lr.x=1"}), HasSubstr("'base_lr' is not a block"));
  EXPECT_THAT(report({"base_lr[0]=1"}), HasSubstr("'base_lr' is not a list"));
  EXPECT_THAT(report({"stepvalue[4]=1"}), HasSubstr("has 3 elements: [4] would leave a gap"));
  EXPECT_THAT(report({"test_state[1].level=1"}), HasSubstr("would leave a gap"));
  for (const char* odd : {"stepvalue[x]=1", "stepvalue[=1", "stepvalue[-1]=1", "stepvalue[]=1",
                          "stepvalue[99999999999]=1"})
    EXPECT_THAT(report({odd}), HasSubstr("expected the number of an element")) << odd;
  for (const char* odd : {"=1", "", " ", "base_lr", ".=1", "base_lr.=1", "a b=1", "base lr=1",
                          "-x=1", "base_lr]=1", "solver.=1"})
    EXPECT_THAT(report({odd}), HasSubstr("expected")) << odd;
}

TEST(Set, SeveralWrongOnesAreReportedTogether) {
  const std::string both = report({"base_lr=x", "max_iterr=1"});
  EXPECT_THAT(both, HasSubstr("--set base_lr=x:1:9"));
  EXPECT_THAT(both, HasSubstr("--set max_iterr=1:1:1"));
}

}  // namespace
}  // namespace crema::config
