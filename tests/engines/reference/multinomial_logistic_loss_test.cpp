#include "engines/reference/run.hpp"
#include "ops/loss.hpp"

namespace crema::test {
namespace {

using List = std::vector<double>;

ops::MultinomialLogisticLoss make_multinomial_logistic_loss() {
  ops::MultinomialLogisticLoss op;
  op.layer = "loss";
  return op;
}

TEST(MultinomialLogisticLoss, ByHand) {
  const std::vector<Values> x{Values(Shape{2, 2}, {0.25, 0.75, 0.5, 0.5}),
                              Values(Shape{2}, {0, 1.5})};
  EXPECT_NEAR(forward(make_multinomial_logistic_loss(), x)[0].v[0],
              (std::log(4.0) + std::log(2.0)) / 2, 1e-15);
  EXPECT_EQ(gradient(make_multinomial_logistic_loss(), x, 0, 0, Values(Shape{}, {8})).v,
            (List{-16, 0, 0, -8}));
}

TEST(MultinomialLogisticLoss, Gradients) {
  check_all(make_multinomial_logistic_loss(),
            {random_values(Shape{4, 3}, 1, 0.1, 1), random_labels(Shape{4}, 2, 3)});
}

TEST(MultinomialLogisticLoss, AProbabilityOfZeroIsBounded) {
  const std::vector<Values> x{Values(Shape{1, 2}, {0, 1}), Values(Shape{1}, {0})};
  EXPECT_NEAR(forward(make_multinomial_logistic_loss(), x)[0].v[0], -std::log(1e-20), 1e-12);
  EXPECT_NEAR(
      gradient(make_multinomial_logistic_loss(), x, 0, 0, Values(Shape{}, {1})).v[0] / -1e20, 1,
      1e-12);
  const auto single =
      OpRunner(reference(), make_multinomial_logistic_loss(), x, in(DType::kF32)).forward();
  EXPECT_NEAR(single[0].v[0], -std::log(1e-20), 1e-4);
}

TEST(MultinomialLogisticLoss, LabelsAreChecked) {
  EXPECT_THROW(
      forward(make_multinomial_logistic_loss(), {Values(Shape{1, 2}), Values(Shape{1}, {-1})}),
      Error);
  EXPECT_THROW(forward(make_multinomial_logistic_loss(), {Values(Shape{2, 2}), Values(Shape{1})}),
               LogicError);
}

}  // namespace
}  // namespace crema::test
