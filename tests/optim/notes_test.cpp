#include "optim/notes.hpp"

#include <gmock/gmock.h>

#include "optim/bench.hpp"
#include "optim/solver.hpp"

namespace crema::optim {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string kTenth = "base_lr: 0.1 lr_policy: 'fixed' max_iter: 100 ";

// The notes on two parameters, the first with `settings`.
std::vector<std::string> said(const std::string& text, const ParamSettings& settings) {
  Bench bench;
  bench.add({1}, 1, 1);
  bench.add({1}, 1, 1);
  bench.settings = {settings, {}};
  const config::SolverConfig config = solver(kTenth + text);
  std::vector<std::string> out;
  for (const ParamNote& note : notes(Optimizer(config, bench.params()), config))
    if (note.param <= 0) out.push_back(note.text);
  return out;
}

ParamSettings scaled_gradient(bool before_clip) {
  ParamSettings out;
  out.grad_mult = 0.1;
  out.grad_mult_before_clip = before_clip;
  return out;
}

TEST(Notes, NothingToSayOfWhatIsPlain) {
  EXPECT_THAT(said("momentum: 0.9 weight_decay: 0.1", {}), IsEmpty());
  EXPECT_THAT(said("type: 'AdamW' weight_decay: 0.1", {}), IsEmpty());
  EXPECT_THAT(said("momentum: 0.9", scaled_gradient(false)), IsEmpty());
  EXPECT_THAT(said("clip_gradients: 1", scaled_gradient(false)), IsEmpty());
}

TEST(Notes, AGradientFactorUnderWhatNormalises) {
  for (const char* type :
       {"Adam", "AdamW", "AMSGrad", "LAMB", "Lion", "AdaGrad", "RMSProp", "AdaDelta", "LARS"}) {
    const bool averages = std::string(type) != "AdaGrad" && std::string(type) != "RMSProp";
    EXPECT_THAT(said(std::string("type: '") + type + (averages ? "' momentum: 0.9" : "'"),
                     scaled_gradient(false)),
                ElementsAre(HasSubstr(std::string("grad_mult has no effect under ") + type)));
  }
}

TEST(Notes, AGradientFactorBeforeTheClip) {
  EXPECT_THAT(said("clip_gradients: 1 clip_scope: PARAMETER", scaled_gradient(true)),
              ElementsAre(HasSubstr("erased whenever clip_gradients acts")));
  EXPECT_THAT(said("clip_gradients: 1", scaled_gradient(true)),
              ElementsAre(HasSubstr("changes the steps of other parameters")));
  ParamSettings alone = scaled_gradient(true);
  alone.rules = {0};
  EXPECT_THAT(said("clip_gradients: 1 clip_scope: RULE param_rule { grad_mult: 0.1 }", alone),
              ElementsAre(HasSubstr("erased whenever clip_gradients acts")));
}

TEST(Notes, AGradientFactorBesideDecay) {
  EXPECT_THAT(said("weight_decay: 0.1", scaled_gradient(false)),
              ElementsAre(HasSubstr("does not scale the weight decay")));
}

TEST(Notes, VelocityThatRunsOn) {
  caffe::Schedule points;
  for (const auto& [at, value] : {std::pair(0, 1), {50, 0}}) {
    points.add_point()->set_at(at);
    points.mutable_point(points.point_size() - 1)->set_value(value);
  }
  ParamSettings stops;
  stops.lr_mult = Schedule::read(points, {}, {});
  EXPECT_THAT(said("momentum: 0.9", stops),
              ElementsAre(HasSubstr("lr_mult is 0 from iteration 50 on, but the velocity")));
  EXPECT_THAT(said("momentum: 0", stops), IsEmpty());
  EXPECT_THAT(said("momentum: 0.9 momentum_form: LR_OUTSIDE", stops), IsEmpty());
  EXPECT_THAT(said("type: 'Adam' momentum: 0.9", stops), IsEmpty());
}

TEST(Notes, DecayThroughTheAverages) {
  for (const char* type : {"Adam", "AMSGrad", "AdaDelta"})
    EXPECT_THAT(said(std::string("momentum: 0.9 weight_decay: 0.1 type: '") + type + "'", {}),
                ElementsAre(HasSubstr("AdamW decouples it")));
}

TEST(Notes, AFloorForAll) {
  ParamSettings slow;
  slow.lr_mult = 0.01;
  EXPECT_THAT(said("min_lr: 0.01 min_lr_mode: ABSOLUTE", slow),
              ElementsAre(HasSubstr("towards the end lr_mult loses its effect")));
  EXPECT_THAT(said("min_lr: 0.01", slow), IsEmpty());
}

TEST(Notes, AdamOfCaffeHasNoMomentumByDefault) {
  EXPECT_THAT(said("type: 'Adam'", {}), ElementsAre(HasSubstr("without its first average")));
}

TEST(Notes, LinesNameTheParametersOnce) {
  Bench bench;
  for (int i = 0; i < 4; ++i) bench.add({1}, 1, 1);
  bench.settings.assign(4, scaled_gradient(false));
  bench.settings[3] = {};
  const config::SolverConfig config = solver(kTenth + "type: 'Adam' weight_decay: 0.1");
  const Optimizer optimizer(config, bench.params());
  const std::vector<ParamNote> all = notes(optimizer, config);
  EXPECT_THAT(note_lines(all, optimizer),
              ElementsAre(HasSubstr("Adam without its first average"),
                          testing::StartsWith("'p0' and 2 others: grad_mult has no effect"),
                          testing::StartsWith("'p0' and 3 others: weight decay goes through")));
  for (const ParamNote& note : all)
    EXPECT_EQ(note.warning, note.text.find("grad_mult") != std::string::npos) << note.text;
}

TEST(Notes, FrozenAndStandingParametersAreLeftOut) {
  ParamSettings still = scaled_gradient(true);
  still.lr_mult = 0;
  EXPECT_THAT(said("type: 'AdamW'", still), IsEmpty());
}

}  // namespace
}  // namespace crema::optim
