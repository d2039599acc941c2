// What is computed again in the backward pass, where, and what a budget makes of it.
#include <gmock/gmock.h>

#include "engines/reference/engine.hpp"
#include "plan/plan.hpp"

namespace crema::plan {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class RecomputeTest : public ::testing::Test {
 protected:
  Plan make(Recompute mode, size_t budget = 0, bool training = true) {
    const auto net = config::with_state(config::read_net(CREMA_TEST_DIR "/plan/recompute.prototxt"),
                                        caffe::TRAIN, 0, {});
    graph::BuildOptions build;
    build.backward = training;
    PlanOptions options;
    options.training = training;
    options.recompute.mode = mode;
    options.recompute.budget = budget;
    options.recompute.place = {source_, 3, 5};
    return make_plan(std::make_shared<graph::Graph>(graph::build(net, build)), {&engine_}, options);
  }
  // The least budget that can be kept.
  size_t least() {
    size_t low = 0, high = make(Recompute::kNone).arena_bytes;
    while (high - low > 64) {
      const size_t middle = (low + high) / 2;
      try {
        high = make(Recompute::kAuto, middle).arena_bytes;
      } catch (const Error&) {
        low = middle;
      }
    }
    return high;
  }
  // "pooling again"
  static std::vector<std::string> again(const Plan& plan) {
    std::vector<std::string> out;
    for (const Step& step : plan.steps)
      if (repeats(plan, step)) out.push_back(operation_text(plan, step));
    return out;
  }
  static int find(const Plan& plan, const std::string& kind, int part, bool repeated = false) {
    for (int i = 0; i < static_cast<int>(plan.steps.size()); ++i) {
      const Step& step = plan.steps[static_cast<size_t>(i)];
      if (step.op->kind() == kind && step.part == part && repeats(plan, step) == repeated) return i;
    }
    return kNone;
  }

  ReferenceEngine engine_;
  std::shared_ptr<const SourceText> source_ =
      std::make_shared<SourceText>(SourceText{"solver", "net: \"n\"\nbase_lr: 1\nto: budget\n"});
};

TEST_F(RecomputeTest, nothing_while_the_budget_suffices) {
  const Plan none = make(Recompute::kNone);
  EXPECT_THAT(again(none), IsEmpty());
  const Plan automatic = make(Recompute::kAuto, none.arena_bytes);
  EXPECT_THAT(again(automatic), IsEmpty());
  EXPECT_EQ(automatic.arena_bytes, none.arena_bytes);
  EXPECT_EQ(automatic.recomputed.plans, 1);
  EXPECT_EQ(automatic.recomputed.arena_without, none.arena_bytes);
  EXPECT_THAT(again(make(Recompute::kAuto, none.arena_bytes - 1)), ::testing::Not(IsEmpty()));
}

TEST_F(RecomputeTest, a_plan_without_a_backward_pass_has_no_budget) {
  const Plan plan = make(Recompute::kAuto, 1, false);
  EXPECT_GT(plan.arena_bytes, 1u);
  EXPECT_EQ(plan.recomputed.budget, 0u);
}

TEST_F(RecomputeTest, chains_are_computed_again_from_below_and_so_are_views) {
  const Plan plan = make(Recompute::kAuto, least());
  EXPECT_THAT(again(plan), ElementsAre("batch_norm again", "pooling again", "lrn again"));
  const int pooling = find(plan, "pooling", ops::kForward, true);
  const int lrn = find(plan, "lrn", ops::kForward, true);
  EXPECT_EQ(plan.steps[static_cast<size_t>(lrn)].src, plan.steps[static_cast<size_t>(pooling)].dst);
  EXPECT_GT(pooling, plan.forward_steps);
  // The inner product's gradient reads the view of what was computed again.
  const Step& norm = plan.steps[static_cast<size_t>(find(plan, "batch_norm", ops::kAgain, true))];
  const auto weights = std::find_if(plan.steps.begin(), plan.steps.end(), [&](const Step& step) {
    return step.layer == plan.graph->find_layer("fc2") && step.part == 1;
  });
  const auto buffer = [&](int tensor) { return plan.tensors[static_cast<size_t>(tensor)].buffer; };
  EXPECT_EQ(buffer(weights->src[0]), buffer(norm.dst[0]));
}

TEST_F(RecomputeTest, a_workspace_that_is_written_anew_is_not_kept) {
  const Plan kept = make(Recompute::kNone), plan = make(Recompute::kAuto, least());
  const auto workspace = [](const Plan& of, int step) {
    return of.buffers[static_cast<size_t>(of.steps[static_cast<size_t>(step)].workspace)];
  };
  EXPECT_GT(workspace(kept, find(kept, "pooling", ops::kForward)).last, kept.forward_steps);
  const int first = find(plan, "pooling", ops::kForward);
  EXPECT_EQ(workspace(plan, first).last, first);
  const int second = find(plan, "pooling", ops::kForward, true);
  EXPECT_EQ(plan.steps[static_cast<size_t>(find(plan, "pooling", 0))].workspace,
            plan.steps[static_cast<size_t>(second)].workspace);
  // That of a batch normalisation is small, and all that a repetition needs beside the source.
  const int norm = find(plan, "batch_norm", ops::kAgain, true);
  EXPECT_EQ(plan.steps[static_cast<size_t>(norm)].workspace,
            plan.steps[static_cast<size_t>(find(plan, "batch_norm", ops::kForward))].workspace);
  for (const bool mutates : plan.steps[static_cast<size_t>(norm)].mutates) EXPECT_FALSE(mutates);
}

TEST_F(RecomputeTest, every_budget_is_kept_or_refused) {
  const size_t all = make(Recompute::kNone).arena_bytes, low = least();
  EXPECT_LT(static_cast<double>(low), 0.8 * static_cast<double>(all));
  size_t before = 0;
  for (size_t budget = low; budget <= all; budget += (all - low) / 16) {
    const Plan plan = make(Recompute::kAuto, budget);
    EXPECT_LE(plan.arena_bytes, budget);
    EXPECT_EQ(plan.recomputed.budget, budget);
    EXPECT_EQ(plan.recomputed.results, again(plan).size());
    EXPECT_GE(plan.arena_bytes, before) << "a larger budget is used";
    before = plan.arena_bytes;
  }
  EXPECT_THROW(make(Recompute::kAuto, low - 65), Error);
}

TEST_F(RecomputeTest, what_cannot_be_kept_is_refused_where_it_is_written) {
  try {
    make(Recompute::kAuto, 1 << 18);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kConfig);
    EXPECT_THAT(error.report(),
                HasSubstr("solver:3:5: error: the memory budget of 0.25 MiB cannot be kept"));
    EXPECT_THAT(error.report(), HasSubstr(" MiB at least, with everything computed again that is "
                                          "cheap ("));
    EXPECT_THAT(error.report(), HasSubstr("hint: write "));
    EXPECT_THAT(error.report(), HasSubstr("a smaller batch_size (with iter_size"));
  }
}

TEST_F(RecomputeTest, the_plan_in_words_says_what_it_saves) {
  const Plan plan = make(Recompute::kAuto, least());
  for (const std::string& text : {explain(plan), explain_memory(plan)}) {
    EXPECT_THAT(text, HasSubstr("lrn again"));
    EXPECT_THAT(text,
                HasSubstr("Computed again: 3 results of 384.0 KiB in the backward pass; arena "));
    EXPECT_THAT(text, HasSubstr("; budget "));
  }
  const Plan enough = make(Recompute::kAuto, size_t{1} << 40);
  EXPECT_THAT(explain(enough), HasSubstr("Computed again: nothing; budget 1048576.0 MiB"));
  EXPECT_THAT(explain(make(Recompute::kNone)), ::testing::Not(HasSubstr("again")));
}

}  // namespace
}  // namespace crema::plan
