#include "optim/param_rules.hpp"

#include <gmock/gmock.h>

#include "optim/selector.hpp"
#include "optim/solver.hpp"

namespace crema::optim {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// conv1, bn1 (statistics), scale1, pool1 (no blobs), conv2, fc: the last is not in the weights
// file.
NetFacts small_net() {
  NetFacts net;
  net.layers = {"conv1", "bn1", "scale1", "pool1", "conv2", "fc"};
  net.weights_given = true;
  const auto add = [&](const char* layer, const char* type, const char* blob, int position,
                       int depth) {
    ParamFacts facts;
    facts.layer = layer;
    facts.type = type;
    facts.blob = blob;
    facts.position = position;
    facts.depth = depth;
    facts.state = facts.type == "BatchNorm";
    facts.loaded = facts.layer != "fc";
    net.params.push_back(facts);
  };
  add("conv1", "Convolution", "weight", 0, 0);
  add("conv1", "Convolution", "bias", 1, 0);
  add("bn1", "BatchNorm", "mean", 0, 1);
  add("scale1", "Scale", "scale", 0, 2);
  add("scale1", "Scale", "bias", 1, 2);
  add("conv2", "Convolution", "weight", 0, 4);
  add("fc", "InnerProduct", "weight", 0, 5);
  add("fc", "InnerProduct", "bias", 1, 5);
  return net;
}

const RunLength kRun{1000, 100};

std::vector<ParamSettings> resolve(const std::string& text) {
  return resolve_rules(solver(text), small_net(), kRun);
}

std::vector<double> lr_mults(const std::string& text) {
  std::vector<double> out;
  for (const ParamSettings& param : resolve(text)) out.push_back(param.lr_mult.at(0));
  return out;
}

std::vector<double> decay_mults(const std::string& text) {
  std::vector<double> out;
  for (const ParamSettings& param : resolve(text)) out.push_back(param.decay_mult.at(0));
  return out;
}

// Message and hint of everything that is wrong, whatever its code.
std::string complaint(const std::string& text, const NetFacts& net = small_net()) {
  Diagnostics found;
  found.guard([&] { resolve_rules(solver(text), net, kRun); });
  std::string out;
  for (const Error& error : found.errors())
    out += std::to_string(static_cast<int>(error.code)) + " " + error.message + " | " + error.hint +
           "\n";
  return out;
}

TEST(Glob, wildcards_and_sets) {
  EXPECT_TRUE(glob_matches("conv*", "conv1/weight"));
  EXPECT_TRUE(glob_matches("*/bias", "a/b/bias"));
  EXPECT_TRUE(glob_matches("conv?/weight", "conv1/weight"));
  EXPECT_FALSE(glob_matches("conv?/weight", "conv12/weight"));
  EXPECT_TRUE(glob_matches("conv[1-3]/*", "conv3/bias"));
  EXPECT_FALSE(glob_matches("conv[1-3]/*", "conv4/bias"));
  EXPECT_TRUE(glob_matches("conv[!4]/*", "conv3/bias"));
  EXPECT_FALSE(glob_matches("conv[!4]/*", "conv4/bias"));
  EXPECT_TRUE(glob_matches("*a*b*", "xaxxbx"));
  EXPECT_FALSE(glob_matches("*a*b", "xaxxbx"));
  EXPECT_TRUE(glob_matches("a[b", "a[b"));
  EXPECT_FALSE(glob_matches("", "a"));
  EXPECT_TRUE(glob_matches("", ""));
}

TEST(ParamRules, without_rules_the_net_decides) {
  NetFacts net = small_net();
  net.params[0].lr_mult = 3;
  net.params[0].decay_mult = 0;
  const auto settings = resolve_rules(solver(""), net, kRun);
  EXPECT_EQ(settings[0].lr_mult.at(7), 3);
  EXPECT_EQ(settings[0].decay_mult.at(7), 0);
  EXPECT_TRUE(settings[0].freeze.never());
  EXPECT_EQ(settings[2].lr_mult.at(0), 0) << "statistics are no parameters";
}

TEST(ParamRules, selectors) {
  const double o = 0.5, n = 1;  // selected, not selected; statistics are 0
  EXPECT_THAT(lr_mults("param_rule { match: 'conv*/weight' lr_mult: 0.5 }"),
              ElementsAre(o, n, 0, n, n, o, n, n));
  EXPECT_THAT(lr_mults("param_rule { match: 'conv1' match: 'fc/1' lr_mult: 0.5 }"),
              ElementsAre(o, o, 0, n, n, n, n, o));
  EXPECT_THAT(lr_mults("param_rule { match_re: '(conv|fc).*/bias' lr_mult: 0.5 }"),
              ElementsAre(n, o, 0, n, n, n, n, o));
  EXPECT_THAT(lr_mults("param_rule { type: 'Scale' lr_mult: 0.5 }"),
              ElementsAre(n, n, 0, o, o, n, n, n));
  EXPECT_THAT(lr_mults("param_rule { blob: 'bias' type: 'Convolution' lr_mult: 0.5 }"),
              ElementsAre(n, o, 0, n, n, n, n, n));
  EXPECT_THAT(lr_mults("param_rule { from: 'bn1' to: 'pool1' lr_mult: 0.5 }"),
              ElementsAre(n, n, 0, o, o, n, n, n));
  EXPECT_THAT(lr_mults("param_rule { to: 'conv1' lr_mult: 0.5 }"),
              ElementsAre(o, o, 0, n, n, n, n, n));
  EXPECT_THAT(lr_mults("param_rule { new: true lr_mult: 0.5 }"),
              ElementsAre(n, n, 0, n, n, n, o, o));
  EXPECT_THAT(lr_mults("param_rule { loaded: true lr_mult: 0.5 }"),
              ElementsAre(o, o, 0, o, o, o, n, n));
  EXPECT_THAT(lr_mults("param_rule { lr_mult: 0.5 }"), ElementsAre(o, o, 0, o, o, o, o, o));
}

TEST(ParamRules, later_rules_win_field_by_field) {
  const std::string rules =
      "param_rule { lr_mult: 0.1 decay_mult: 0 } param_rule { match: 'fc' lr_mult: 10 }";
  EXPECT_THAT(lr_mults(rules), ElementsAre(0.1f, 0.1f, 0, 0.1f, 0.1f, 0.1f, 10, 10));
  EXPECT_THAT(decay_mults(rules), ElementsAre(0, 0, 0, 0, 0, 0, 0, 0));
  EXPECT_THAT(resolve(rules)[6].rules, ElementsAre(0, 1));
}

TEST(ParamRules, short_forms_come_before_rules) {
  EXPECT_THAT(lr_mults("bias_lr_mult: 2 param_rule { match: 'fc' lr_mult: 10 }"),
              ElementsAre(1, 2, 0, 1, 2, 1, 10, 10));
  EXPECT_THAT(decay_mults("bias_decay_mult: 0 norm_decay_mult: 0.5"),
              ElementsAre(1, 0, 0, 0.5, 0.5, 1, 1, 0));
}

TEST(ParamRules, layer_decay_counts_from_the_top) {
  EXPECT_THAT(lr_mults("layer_decay: 0.5"), ElementsAre(0.125, 0.125, 0, 0.25, 0.25, 0.5, 1, 1));
  EXPECT_THAT(lr_mults("layer_decay: 0.5 bias_lr_mult: 2"),
              ElementsAre(0.125, 0.25, 0, 0.25, 0.5, 0.5, 1, 2));
}

TEST(ParamRules, schedules_in_every_unit) {
  const auto at = [](const std::string& schedule, int64_t t) {
    return resolve("param_rule { lr_mult_schedule { " + schedule + " } }")[0].lr_mult.at(t);
  };
  const std::string points = "point { at: 2 value: 0 } point { at: 4 value: 1 }";
  EXPECT_EQ(at(points, 0), 0);
  EXPECT_EQ(at(points, 3), 0.5);
  EXPECT_EQ(at(points, 4), 1);
  EXPECT_EQ(at(points, 999), 1);
  EXPECT_EQ(at(points + " interpolation: STEP", 3), 0);
  EXPECT_NEAR(at(points + " unit: EPOCH interpolation: COSINE", 250), (1 - std::sqrt(0.5)) / 2,
              1e-12);
  EXPECT_EQ(at("unit: FRACTION point { at: 0 value: 0 } point { at: 1 value: 2 }", 500), 1);
}

TEST(ParamRules, freeze_times) {
  const auto frozen = [](const std::string& rule, int64_t t) {
    return resolve("param_rule { " + rule + " }")[0].freeze.at(t);
  };
  EXPECT_TRUE(frozen("freeze: ALWAYS", 1000000));
  EXPECT_TRUE(frozen("freeze_until: 10", 9));
  EXPECT_FALSE(frozen("freeze_until: 10", 10));
  EXPECT_TRUE(frozen("freeze_from: 0.5 freeze_unit: FRACTION", 500));
  EXPECT_FALSE(frozen("freeze_from: 0.5 freeze_unit: FRACTION", 499));
  EXPECT_FALSE(frozen("freeze: ALWAYS } param_rule { freeze: NEVER", 5));
  EXPECT_FALSE(frozen("freeze: ALWAYS } param_rule { freeze_until: 3", 5));
}

TEST(ParamRules, gradual_unfreezing_goes_down_from_the_top) {
  const auto settings = resolve("param_rule { freeze_until: 100 unfreeze_interval: 50 }");
  std::vector<int64_t> until;
  for (const ParamSettings& param : settings) until.push_back(param.freeze.until);
  EXPECT_THAT(until, ElementsAre(300, 300, 250, 200, 200, 150, 100, 100));
  EXPECT_THAT(freeze_boundaries(settings, 1000), ElementsAre(100, 150, 200, 250, 300));
  EXPECT_THAT(freeze_boundaries(settings, 200), ElementsAre(100, 150));
}

TEST(ParamRules, boundaries_only_where_something_changes) {
  EXPECT_THAT(freeze_boundaries(resolve("param_rule { freeze: ALWAYS }"), 1000), IsEmpty());
  EXPECT_THAT(freeze_boundaries(resolve("param_rule { freeze_until: 9 freeze_from: 5 }"), 1000),
              IsEmpty());
}

TEST(ParamRules, a_param_block_can_say_the_same) {
  NetFacts net = small_net();
  net.params[0].spec.set_freeze_until(10);
  net.params[0].spec.set_grad_mult(0.1f);
  const auto settings = resolve_rules(solver("param_rule { grad_mult: 1 }"), net, kRun);
  EXPECT_TRUE(settings[0].freeze.at(9));
  EXPECT_EQ(settings[0].grad_mult.at(0), 1) << "a rule wins over the net";
}

TEST(ParamRules, a_rule_that_selects_nothing_is_an_error) {
  EXPECT_THAT(complaint("param_rule { match: 'conv1/wieght' lr_mult: 2 }"),
              testing::AllOf(HasSubstr("3 "), HasSubstr("nothing matches 'conv1/wieght'"),
                             HasSubstr("did you mean 'conv1/weight'?")));
  EXPECT_THAT(complaint("param_rule { type: 'Convoluton' lr_mult: 2 }"),
              HasSubstr("did you mean 'Convolution'?"));
  EXPECT_THAT(complaint("param_rule { blob: 'gamma' lr_mult: 2 }"), HasSubstr("no blob"));
  EXPECT_THAT(complaint("param_rule { match: 'fc' type: 'Scale' lr_mult: 2 }"),
              HasSubstr("none meets all of its selectors"));
  EXPECT_THAT(complaint("param_rule { from: 'conv9' lr_mult: 2 }"),
              HasSubstr("the training net has no layer 'conv9'"));
  EXPECT_EQ(complaint("param_rule { match: 'nothing' optional: true lr_mult: 2 }"), "");
  NetFacts all = small_net();
  for (ParamFacts& param : all.params) param.loaded = true;
  EXPECT_THAT(complaint("param_rule { new: true lr_mult: 2 }", all),
              HasSubstr("the weights files hold all of them"));
}

TEST(ParamRules, mistakes_inside_rules) {
  EXPECT_THAT(complaint("param_rule { match: 'fc' }"), HasSubstr("2 this rule sets nothing"));
  EXPECT_THAT(complaint("param_rule { match_re: '(' lr_mult: 1 }"),
              HasSubstr("'(' is not a regular expression"));
  EXPECT_THAT(complaint("param_rule { from: 'fc' to: 'conv1' lr_mult: 1 }"),
              HasSubstr("exchange from and to"));
  EXPECT_THAT(complaint("param_rule { lr_mult: 1 lr_mult_schedule { point { at: 0 value: 1 } } }"),
              HasSubstr("both lr_mult and lr_mult_schedule"));
  EXPECT_THAT(complaint("param_rule { lr_mult: nan }"), HasSubstr("lr_mult must be a finite"));
  EXPECT_THAT(complaint("param_rule { lr_mult_schedule { } }"), HasSubstr("at least one point"));
  EXPECT_THAT(complaint("param_rule { lr_mult_schedule { point { at: 5 value: 1 } "
                        "point { at: 5 value: 2 } } }"),
              HasSubstr("must rise"));
  EXPECT_THAT(complaint("param_rule { lr_mult_schedule { point { at: 5 } } }"),
              HasSubstr("value is missing"));
  EXPECT_THAT(complaint("param_rule { freeze_until: -1 }"), HasSubstr("must be a time >= 0"));
  EXPECT_THAT(complaint("param_rule { freeze: ALWAYS freeze_from: 3 }"),
              HasSubstr("both freeze and freeze_from"));
  EXPECT_THAT(complaint("param_rule { unfreeze_interval: 3 }"), HasSubstr("needs freeze_until"));
  EXPECT_THAT(complaint("layer_decay: 1.5"), HasSubstr("layer_decay must be in (0, 1]"));
  EXPECT_THAT(complaint("bias_lr_mult: inf"), HasSubstr("bias_lr_mult must be a finite"));
  NetFacts bare = small_net();
  bare.weights_given = false;
  EXPECT_THAT(complaint("param_rule { new: true lr_mult: 2 }", bare), HasSubstr("give --weights"));
}

TEST(ParamRules, times_that_cannot_be_converted) {
  const auto say = [](const std::string& unit, const RunLength& run) {
    return mistakes([&] {
      resolve_rules(solver("param_rule { freeze_until: 1 freeze_unit: " + unit + " }"), small_net(),
                    run);
    });
  };
  EXPECT_THAT(say("EPOCH", {100, 0}), HasSubstr("whose length is known"));
  EXPECT_THAT(say("FRACTION", {0, 10}), HasSubstr("needs max_iter"));
}

}  // namespace
}  // namespace crema::optim
