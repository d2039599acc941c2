#include "base/random.hpp"
#include "engines/reference/run.hpp"
#include "ops/pointwise.hpp"

namespace crema::test {
namespace {

ops::Dropout make_dropout(float ratio, std::string stream = "drop6") {
  ops::Dropout op;
  op.ratio = ratio, op.stream = std::move(stream);
  return op;
}

std::vector<double> mask(const ops::Dropout& op, int64_t n, ops::StepInfo step) {
  RunOptions options;
  options.step = step;
  return OpRunner(reference(), op, {Values(Shape{n}, 1.0)}, options).forward()[0].v;
}

TEST(Dropout, FollowsTheStreamElementByElement) {
  const ops::StepInfo step{.seed = 5, .iteration = 3, .pass = 7};
  const auto got = mask(make_dropout(0.25f), 10007, step);  // not a multiple of a block
  const RandomStream stream(5, "mask/drop6", 7);
  for (size_t i = 0; i < got.size(); ++i)
    ASSERT_EQ(got[i], stream.uniform(i) >= 0.25f ? 1 / 0.75f : 0.0) << i;
}

TEST(Dropout, KeepsTheShareAndTheMean) {
  const auto got = mask(make_dropout(0.3f), 100000, {});
  const auto kept = got.size() - static_cast<size_t>(std::count(got.begin(), got.end(), 0.0));
  EXPECT_NEAR(static_cast<double>(kept), 70000, 700);  // 5 sigma
}

TEST(Dropout, AnotherPassSeedOrStreamIsAnotherMask) {
  const auto base = mask(make_dropout(0.5f), 1000, {.seed = 1, .iteration = 0, .pass = 1});
  EXPECT_EQ(mask(make_dropout(0.5f), 1000, {.seed = 1, .iteration = 9, .pass = 1}), base);
  EXPECT_NE(mask(make_dropout(0.5f), 1000, {.seed = 1, .iteration = 0, .pass = 2}), base);
  EXPECT_NE(mask(make_dropout(0.5f), 1000, {.seed = 2, .iteration = 0, .pass = 1}), base);
  EXPECT_NE(mask(make_dropout(0.5f, "drop7"), 1000, {.seed = 1, .iteration = 0, .pass = 1}), base);
}

TEST(Dropout, TheGradientUsesTheSameMask) {
  GradientCheck check;
  check.at = {.seed = 11, .iteration = 2, .pass = 4};
  check_all(make_dropout(0.4f), {random_values(Shape{3, 37}, 1)}, check);
}

TEST(Dropout, RatioZeroIsTheIdentity) {
  EXPECT_EQ(mask(make_dropout(0), 100, {}), std::vector<double>(100, 1.0));
}

}  // namespace
}  // namespace crema::test
