#include "engines/reference/run.hpp"
#include "ops/loss.hpp"

namespace crema::test {
namespace {

using List = std::vector<double>;

ops::HingeLoss make_hinge_loss(bool squared) {
  ops::HingeLoss op;
  op.squared = squared, op.layer = "loss";
  return op;
}

TEST(HingeLoss, ByHand) {
  // Margins: 1 - 0.5, 1 + 0.25, 0 of -2; 1 + 3, 1 - -1, 0 of -1.
  const std::vector<Values> x{Values(Shape{2, 3}, {0.5, 0.25, -2, 3, -1, -1}),
                              Values(Shape{2}, {0, 1})};
  EXPECT_EQ(forward(make_hinge_loss(false), x)[0].v[0], (0.5 + 1.25 + 4 + 2) / 2);
  EXPECT_EQ(forward(make_hinge_loss(true), x)[0].v[0], (0.25 + 1.5625 + 16 + 4) / 2);
  const Values weight(Shape{}, {10});
  EXPECT_EQ(gradient(make_hinge_loss(false), x, 0, 0, weight).v, (List{-5, 5, 0, 5, -5, 0}));
  EXPECT_EQ(gradient(make_hinge_loss(true), x, 0, 0, weight).v, (List{-5, 12.5, 0, 40, -20, 0}));
}

TEST(HingeLoss, Gradients) {
  for (const bool squared : {false, true})
    check_all(make_hinge_loss(squared),
              {random_values(Shape{4, 5}, 1, -2, 2), random_labels(Shape{4}, 2, 5)});
}

TEST(HingeLoss, ManyElements) {  // more than one chunk of the sum
  EXPECT_EQ(
      expect_same(reference(), reference(), make_hinge_loss(false),
                  {random_values(Shape{90, 100}, 1, -2, 2), random_labels(Shape{90}, 2, 100)}),
      "");
}

TEST(HingeLoss, LabelsAreChecked) {
  EXPECT_THROW(forward(make_hinge_loss(false), {Values(Shape{1, 2}), Values(Shape{1}, {2})}),
               Error);
  EXPECT_THROW(forward(make_hinge_loss(false), {Values(Shape{2, 2}), Values(Shape{1})}),
               LogicError);
}

}  // namespace
}  // namespace crema::test
