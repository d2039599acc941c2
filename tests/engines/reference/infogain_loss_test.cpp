#include "engines/reference/run.hpp"
#include "ops/loss.hpp"

namespace crema::test {
namespace {

using List = std::vector<double>;
using ops::Normalization;

ops::InfogainLoss make_infogain_loss(Normalization normalization = Normalization::kValid,
                                     std::optional<int> ignore = {}, int axis = 1) {
  ops::InfogainLoss op;
  op.normalization = normalization, op.ignore_label = ignore, op.axis = axis, op.layer = "loss";
  return op;
}

// Probabilities 1/4, 3/4.
Values scores() {
  const double l3 = std::log(3.0);
  return Values(Shape{1, 2}, {0, l3});
}

TEST(InfogainLoss, ByHand) {
  const Values label(Shape{1}, {1}), h(Shape{2, 2}, {9, 9, 2, 5});
  const double expected = 2 * std::log(4.0) + 5 * std::log(4.0 / 3);
  ops::InfogainLoss held = make_infogain_loss();
  held.matrix = std::make_shared<const std::vector<float>>(std::vector<float>{9, 9, 2, 5});
  const auto check = [&](const ops::InfogainLoss& op, const std::vector<Values>& inputs) {
    OpRunner run(reference(), op, inputs, in(DType::kF64));
    const auto y = run.forward();
    EXPECT_NEAR(y[0].v[0], expected, 1e-14);
    EXPECT_TRUE(near(y[1], Values(Shape{1, 2}, {0.25, 0.75}), 1e-15));
    // p * 7 - (2, 5)
    const auto dx = run.gradient(0, {Values(Shape{}, {2})})[0];
    EXPECT_TRUE(near(*dx, Values(Shape{1, 2}, {2 * (1.75 - 2), 2 * (5.25 - 5)}), 1e-14));
  };
  check(make_infogain_loss(), {scores(), label, h});
  check(held, {scores(), label});
}

TEST(InfogainLoss, TheUnitMatrixMakesItTheSoftmaxLoss) {
  Values unit(Shape{4, 4});
  for (size_t i = 0; i < 4; ++i) unit.v[5 * i] = 1;
  const Values x = random_values(Shape{2, 4, 3}, 1, -2, 2), labels = random_labels(Shape{6}, 2, 4);
  for (const auto n : {Normalization::kFull, Normalization::kValid, Normalization::kBatchSize,
                       Normalization::kNone}) {
    ops::SoftmaxLoss other;
    other.normalization = n, other.ignore_label = 2;
    EXPECT_NEAR(forward(make_infogain_loss(n, 2), {x, labels, unit})[0].v[0],
                forward(other, {x, labels})[0].v[0], 1e-13);
  }
}

TEST(InfogainLoss, Gradients) {
  const Values h = random_values(Shape{4, 4}, 3);
  check_all(make_infogain_loss(),
            {random_values(Shape{3, 4}, 1, -2, 2), random_labels(Shape{3}, 2, 4), h});
  check_all(make_infogain_loss(Normalization::kValid, 1),
            {random_values(Shape{2, 4, 3}, 1, -2, 2), random_labels(Shape{2, 3}, 2, 4), h});
  check_all(make_infogain_loss(Normalization::kBatchSize, {}, 2),
            {random_values(Shape{2, 3, 4}, 1), random_labels(Shape{2, 3}, 2, 4), h});
}

TEST(InfogainLoss, LabelsAndSizesAreChecked) {
  EXPECT_THROW(
      forward(make_infogain_loss(), {scores(), Values(Shape{1}, {2}), Values(Shape{2, 2})}), Error);
  EXPECT_THROW(forward(make_infogain_loss(), {scores(), Values(Shape{2}), Values(Shape{2, 2})}),
               LogicError);
  EXPECT_THROW(forward(make_infogain_loss(), {scores(), Values(Shape{1}), Values(Shape{3})}),
               LogicError);
}

}  // namespace
}  // namespace crema::test
