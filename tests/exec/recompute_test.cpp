// What is computed again: the same bits as what was kept, whatever the budget.
#include "exec/net_run.hpp"

namespace crema::exec {
namespace {

plan::RecomputeOptions mode(plan::Recompute wanted, double budget = 0) {
  plan::RecomputeOptions out;
  out.mode = wanted;
  out.budget = static_cast<size_t>(budget);
  return out;
}

class Recompute : public ::testing::TestWithParam<std::tuple<fs::path, bool>> {
 protected:
  NetRun run(const plan::RecomputeOptions& recompute) const {
    const auto& [file, reference_only] = GetParam();
    return NetRun(file, caffe::TRAIN, {}, false, ops::Precision::kF32, recompute, reference_only);
  }
  static size_t arena(const NetRun& run) {
    size_t most = 0;
    for (const plan::Plan* plan : run.plans()) most = std::max(most, plan->arena_bytes);
    return most;
  }
};

TEST_P(Recompute, changes_no_bit) {
  NetRun kept = run(mode(plan::Recompute::kNone));
  const auto whole = static_cast<double>(arena(kept));  // segments for all rows
  const std::vector<Result> expected{kept.pass(0), kept.pass(1), kept.pass(2)};
  const auto expect_same = [&](NetRun again) {
    for (int64_t i = 0; i < 3; ++i) {
      const Result got = again.pass(i);
      EXPECT_EQ(got.loss, expected[static_cast<size_t>(i)].loss);
      EXPECT_EQ(got.tensors, expected[static_cast<size_t>(i)].tensors);
    }
  };
  expect_same(run(mode(plan::Recompute::kCheap)));
  for (const double part : {1.0, 0.95, 0.85, 0.75, 0.65, 0.55, 0.45, 0.35}) {
    SCOPED_TRACE(part);
    const double budget = std::ceil(part * whole);
    try {
      NetRun again = run(mode(plan::Recompute::kAuto, budget));
      EXPECT_LE(arena(again), budget);
      for (const plan::Plan* plan : again.plans())
        EXPECT_EQ(plan->recomputed.results == 0, plan->recomputed.arena_without <= budget);
      expect_same(std::move(again));
    } catch (const Error& error) {
      EXPECT_LT(part, 1);
      EXPECT_NE(error.message.find("cannot be kept"), std::string::npos) << error.message;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Nets, Recompute,
                         ::testing::Combine(::testing::ValuesIn(nets()), ::testing::Bool()),
                         [](const auto& test) {
                           return std::get<0>(test.param).stem().string() +
                                  (std::get<1>(test.param) ? "_reference" : "");
                         });

// Kinds of what a plan computes again.
std::set<std::string> repeated(const plan::Plan& plan) {
  std::set<std::string> out;
  for (const plan::Step& step : plan.steps)
    if (plan::repeats(plan, step)) out.insert(step.op->kind());
  return out;
}

TEST(RecomputeKinds, whatever_is_cheap_is_repeated_when_the_budget_demands_it) {
  std::set<std::string> seen;
  for (const bool reference_only : {true, false}) {
    SCOPED_TRACE(reference_only);
    const auto run = [&](double budget) {
      return NetRun(net_file("cheap_layers"), caffe::TRAIN, {}, false, ops::Precision::kF32,
                    mode(plan::Recompute::kAuto, budget), reference_only);
    };
    const auto whole = static_cast<double>(run(1e12).plan().arena_bytes);
    size_t least = 0;
    for (double part = 1; part > 0; part -= 0.02) try {
        const NetRun made = run(part * whole);
        seen.merge(repeated(made.plan()));
        least = made.plan().arena_bytes;
      } catch (const Error&) {
        break;
      }
    EXPECT_LT(least, 0.8 * whole);
  }
  for (const char* kind : {"batch_norm", "pooling", "lrn", "dropout", "unary", "eltwise"})
    EXPECT_TRUE(seen.contains(kind)) << kind;
  for (const char* kind : {"convolution", "fused_convolution", "inner_product"})
    EXPECT_FALSE(seen.contains(kind)) << kind;
}

TEST(RecomputeKinds, without_a_budget_only_what_costs_a_copy_is_repeated) {
  for (const bool reference_only : {true, false}) {
    const NetRun made(net_file("cheap_layers"), caffe::TRAIN, {}, false, ops::Precision::kF32,
                      mode(plan::Recompute::kCheap), reference_only);
    for (const std::string& kind : repeated(made.plan()))
      EXPECT_TRUE(kind == "concat" || kind == "fused_batch_norm") << kind;
    const NetRun none(net_file("cheap_layers"), caffe::TRAIN, {}, false, ops::Precision::kF32,
                      mode(plan::Recompute::kNone), reference_only);
    EXPECT_TRUE(repeated(none.plan()).empty());
  }
}

// The statistics of a batch are collected once, whatever is computed twice.
TEST(RecomputeKinds, running_statistics_are_those_of_one_pass) {
  const auto statistics = [](const plan::RecomputeOptions& recompute) {
    NetRun run(net_file("cheap_layers"), caffe::TRAIN, {}, false, ops::Precision::kF32, recompute,
               true);
    const Result result = run.pass();
    const auto kinds = repeated(run.plan());
    EXPECT_EQ(kinds.contains("batch_norm"), recompute.mode == plan::Recompute::kAuto);
    return std::pair(result.tensors.at("bn2/mean"), result.tensors.at("bn2/factor"));
  };
  const NetRun whole(net_file("cheap_layers"), caffe::TRAIN, {}, false, ops::Precision::kF32,
                     mode(plan::Recompute::kNone), true);
  EXPECT_EQ(statistics(mode(plan::Recompute::kNone)),
            statistics(
                mode(plan::Recompute::kAuto, 0.7 * static_cast<double>(whole.plan().arena_bytes))));
}

TEST(RecomputeShapes, the_plan_of_each_shape_keeps_the_budget_by_itself) {
  const auto run = [](const plan::RecomputeOptions& recompute) {
    return NetRun(net_file("cheap_layers"), caffe::TRAIN, {}, false, ops::Precision::kF32,
                  recompute);
  };
  const auto batch = [](int64_t n) {
    return std::map<std::string, Shape>{{"data", {n, 16, 24, 24}}, {"label", {n}}};
  };
  NetRun kept = run(mode(plan::Recompute::kNone));
  kept.reshape(batch(8));
  const Result expected = kept.pass(1);
  const double budget = 0.9 * static_cast<double>(kept.plan().arena_bytes);
  NetRun again = run(mode(plan::Recompute::kAuto, budget));
  EXPECT_EQ(again.plan().recomputed.results, 0u) << "a batch of 4 fits";
  again.reshape(batch(8));
  EXPECT_GT(again.plan().recomputed.results, 0u);
  EXPECT_LE(again.plan().arena_bytes, budget);
  EXPECT_EQ(again.pass(1).tensors, expected.tensors);
  try {
    again.reshape(batch(32));
    FAIL() << "accepted";
  } catch (const Error& error) {
    ASSERT_EQ(error.notes.size(), 1u);
    EXPECT_EQ(error.notes[0].message, "the data come as 'data' of 32x16x24x24, 'label' of 32");
  }
}

TEST(RecomputeKinds, leaving_the_pass_out_leaves_the_budget_out) {
  const NetRun made(net_file("cheap_layers"), caffe::TRAIN, {"recompute"}, false,
                    ops::Precision::kF32, mode(plan::Recompute::kAuto, 1));
  EXPECT_TRUE(repeated(made.plan()).empty());
  EXPECT_EQ(made.plan().recomputed.budget, 0u);
}

}  // namespace
}  // namespace crema::exec
