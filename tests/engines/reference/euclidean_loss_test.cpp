#include "engines/reference/run.hpp"
#include "ops/loss.hpp"

namespace crema::test {
namespace {

const ops::EuclideanLoss kOp;

TEST(EuclideanLoss, ByHand) {
  const std::vector<Values> x{Values(Shape{2, 2}, {1, 2, 3, 4}), Values(Shape{2, 2}, {1, 0, 0, 0})};
  EXPECT_EQ(forward(kOp, x)[0].v[0], (4 + 9 + 16) / 4.0);
  const Values weight(Shape{}, {10});
  EXPECT_EQ(gradient(kOp, x, 0, 0, weight).v, (std::vector<double>{0, 10, 15, 20}));
  EXPECT_EQ(gradient(kOp, x, 1, 1, weight).v, (std::vector<double>{0, -10, -15, -20}));
}

TEST(EuclideanLoss, Gradients) {
  check_all(kOp, {random_values(Shape{3, 2, 4}, 1), random_values(Shape{3, 2, 4}, 2)});
}

TEST(EuclideanLoss, ManyElements) {
  check_all(kOp, {random_values(Shape{3}, 1), random_values(Shape{3}, 2)});
  EXPECT_EQ(expect_same(reference(), reference(), kOp,
                        {random_values(Shape{4, 5000}, 1), random_values(Shape{4, 5000}, 2)}),
            "");
}

TEST(EuclideanLoss, SourcesOfOneSize) {
  EXPECT_THROW(forward(kOp, {Values(Shape{2, 2}), Values(Shape{2, 3})}), LogicError);
}

}  // namespace
}  // namespace crema::test
