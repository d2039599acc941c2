#include "engines/reference/run.hpp"
#include "ops/loss.hpp"

namespace crema::test {
namespace {

using List = std::vector<double>;

ops::ContrastiveLoss make_contrastive_loss(float margin, bool legacy = false) {
  ops::ContrastiveLoss op;
  op.margin = margin, op.legacy = legacy;
  return op;
}

// Three pairs at distance 5: similar, dissimilar, similar (-1.5 is cut to -1).
const std::vector<Values> kPairs{Values(Shape{3, 2}, {3, 4, 3, 4, 0, 0}),
                                 Values(Shape{3, 2}, {0, 0, 0, 0, 3, 4}),
                                 Values(Shape{3}, {1, 0.9, -1.5})};

TEST(ContrastiveLoss, ByHand) {
  EXPECT_NEAR(forward(make_contrastive_loss(7), kPairs)[0].v[0], (25 + 4 + 25) / 6.0, 1e-14);
  EXPECT_NEAR(forward(make_contrastive_loss(4), kPairs)[0].v[0], 50 / 6.0, 1e-14)
      << "beyond the margin";
  EXPECT_NEAR(forward(make_contrastive_loss(7, true), kPairs)[0].v[0], 50 / 6.0, 1e-14);
  EXPECT_NEAR(forward(make_contrastive_loss(27, true), kPairs)[0].v[0], (25 + 2 + 25) / 6.0, 1e-14);
  const Values weight(Shape{}, {3});
  const double f = -2 / 5.0001;
  const Values da(Shape{3, 2}, {3, 4, 3 * f, 4 * f, -3, -4});
  EXPECT_TRUE(near(gradient(make_contrastive_loss(7), kPairs, 0, 0, weight), da, 1e-14));
  Values db = da;
  for (double& d : db.v) d = -d;
  EXPECT_TRUE(near(gradient(make_contrastive_loss(7), kPairs, 0, 1, weight), db, 1e-14));
  EXPECT_EQ(gradient(make_contrastive_loss(27, true), kPairs, 0, 0, weight).v,
            (List{3, 4, -3, -4, -3, -4}));
  EXPECT_EQ(gradient(make_contrastive_loss(4), kPairs, 0, 0, weight).v, (List{3, 4, 0, 0, -3, -4}));
}

TEST(ContrastiveLoss, Gradients) {
  const std::vector<Values> inputs{random_values(Shape{4, 3}, 1), random_values(Shape{4, 3}, 2),
                                   Values(Shape{4}, {1, 0, 0, 1})};
  check_all(make_contrastive_loss(5, true), inputs);
  // The formula has d + 1e-4 where the derivative has d.
  check_all(make_contrastive_loss(3), inputs, {.tolerance = 1e-3, .skip = {2}});
}

TEST(ContrastiveLoss, EitherSideAlone) {
  const ops::ContrastiveLoss op = make_contrastive_loss(7);
  OpRunner run(reference(), op, kPairs, in(DType::kF64));
  run.forward();
  const auto both = run.gradient(0, {Values(Shape{}, {1})});
  for (const int side : {0, 1}) {
    const auto one = run.gradient(0, {Values(Shape{}, {1})}, std::vector<int>{side});
    EXPECT_EQ(one[static_cast<size_t>(side)]->v, both[static_cast<size_t>(side)]->v);
    EXPECT_FALSE(one[static_cast<size_t>(1 - side)].has_value());
  }
}

TEST(ContrastiveLoss, ADissimilarPairAtOnePlaceHasNoDirection) {
  const std::vector<Values> same{Values(Shape{1, 2}, {1, 2}), Values(Shape{1, 2}, {1, 2}),
                                 Values(Shape{1}, {0})};
  EXPECT_EQ(gradient(make_contrastive_loss(1), same, 0, 0, Values(Shape{}, {1})).v, (List{0, 0}));
}

}  // namespace
}  // namespace crema::test
