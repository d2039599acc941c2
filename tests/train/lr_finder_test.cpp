#include "train/lr_finder.hpp"

#include <cmath>

#include "train/trainer_fixture.hpp"

namespace crema::train {
namespace {

std::vector<RangePoint> curve(const std::vector<double>& losses) {
  std::vector<RangePoint> out;
  for (size_t i = 0; i < losses.size(); ++i)
    out.push_back({std::pow(10.0, static_cast<double>(i) - 5), losses[i], losses[i]});
  return out;
}

TEST(RangeSuggestions, are_read_off_the_smoothed_curve) {
  // Rates 1e-5 ... 1e2: flat, a slope, steepest from 1e-2 to 1, least at 1e0, then up.
  const RangeSuggestions s = suggest(curve({3, 3, 2.9, 2.5, 1.5, 1, 2, 9}));
  EXPECT_NEAR(*s.minimum, 0.1, 1e-12);
  EXPECT_NEAR(*s.steepest, 1e-2, 1e-12);
  EXPECT_NEAR(*s.valley, 1e-2, 1e-12) << "the fall goes from 1e-5 or 1e-4 to 1";
}

TEST(RangeSuggestions, are_none_where_the_loss_never_fell) {
  for (const auto& losses : {std::vector<double>{1, 2, 3, 4}, {1, 1, 1, 1}, {1, 0.5}, {}}) {
    const RangeSuggestions s = suggest(curve(losses));
    EXPECT_FALSE(s.minimum || s.steepest || s.valley);
  }
}

class LrFinderTest : public TrainerFixture {
 protected:
  RangeTest test(int target, const RangeOptions& range = {1e-5, 100, 120, 0.5, 4}) {
    const config::SolverConfig quadratic = solver("quadratic_solver.prototxt");
    return test_range(quadratic, {}, context_,
                      range_targets(quadratic)[static_cast<size_t>(target)], range);
  }
};

// Gradient descent on curvature c is fastest at a rate of 1 / c and breaks at 2 / c.
TEST_F(LrFinderTest, finds_the_curvature_of_each_block_by_itself) {
  const RangeTest a = test(1), b = test(2);
  ASSERT_EQ(a.params, std::vector<std::string>{"a/weight"});
  ASSERT_EQ(b.params, std::vector<std::string>{"b/weight"});
  EXPECT_NEAR(a.held, 0.01, 1e-8);
  EXPECT_TRUE(a.broke && b.broke);
  for (const auto& [ta, tb] : {std::pair(a.suggestions.steepest, b.suggestions.steepest),
                               {a.suggestions.minimum, b.suggestions.minimum},
                               {a.points.back().rate, b.points.back().rate}}) {
    ASSERT_TRUE(ta && tb);
    EXPECT_GT(*ta / *tb, 30) << "the curvatures are 1 and 100";
    EXPECT_LT(*ta / *tb, 300);
  }
  EXPECT_GT(*a.suggestions.valley, 3 * *b.suggestions.valley)
      << "both falls begin with the range: their middles are a factor of 10 apart";
  EXPECT_LT(*b.suggestions.valley, 0.02) << "it breaks above";
}

TEST_F(LrFinderTest, moves_what_it_tests_and_holds_the_rest) {
  const RangeTest all = test(0);
  EXPECT_EQ(all.params.size(), 2u);
  EXPECT_EQ(all.target.name, "base_lr");
  EXPECT_TRUE(all.broke);
  EXPECT_LT(all.points.back().rate, 1) << "the steeper block breaks it";
  EXPECT_GT(all.points.size(), 20u);
  for (size_t i = 1; i < all.points.size(); ++i)
    EXPECT_GT(all.points[i].rate, all.points[i - 1].rate);
}

TEST_F(LrFinderTest, leaves_nothing_behind) {
  test(0);
  EXPECT_FALSE(std::filesystem::exists(folder_)) << "no snapshot";
  EXPECT_TRUE(events_.empty()) << "no line";
}

TEST_F(LrFinderTest, the_range_is_kept_where_nothing_breaks) {
  const RangeTest tame = test(1, {1e-6, 1e-4, 30, 0.9, 4});
  EXPECT_FALSE(tame.broke);
  ASSERT_EQ(tame.points.size(), 30u);
  EXPECT_NEAR(tame.points.front().rate, 1e-6, 1e-12);
  EXPECT_NEAR(tame.points.back().rate, 1e-4, 1e-10);
}

TEST_F(LrFinderTest, a_rule_whose_parameters_are_frozen_has_nothing_to_test) {
  const config::SolverConfig frozen =
      solver("quadratic_solver.prototxt", {"param_rule[0].freeze=ALWAYS"});
  const RangeTest test = test_range(frozen, {}, context_, range_targets(frozen)[1], {});
  EXPECT_TRUE(test.params.empty());
  EXPECT_TRUE(test.points.empty());
}

}  // namespace
}  // namespace crema::train
