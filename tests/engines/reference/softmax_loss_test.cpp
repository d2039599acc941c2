#include <cfloat>
#include <limits>

#include "engines/reference/run.hpp"
#include "ops/loss.hpp"

namespace crema::test {
namespace {

using List = std::vector<double>;
using ops::Normalization;

ops::SoftmaxLoss make_softmax_loss(Normalization normalization = Normalization::kValid,
                                   std::optional<int> ignore = {}, int axis = 1) {
  ops::SoftmaxLoss op;
  op.normalization = normalization, op.ignore_label = ignore, op.axis = axis, op.layer = "loss";
  return op;
}

// Two items of probabilities 1/4, 3/4.
Values scores() {
  const double l3 = std::log(3.0);
  return Values(Shape{2, 2}, {0, l3, 0, l3});
}

TEST(SoftmaxLoss, ByHand) {
  const Values labels(Shape{2}, {0, 1});
  const auto op = make_softmax_loss();
  OpRunner run(reference(), op, {scores(), labels}, in(DType::kF64));
  const auto y = run.forward();
  EXPECT_NEAR(y[0].v[0], (std::log(4.0) + std::log(4.0 / 3)) / 2, 1e-15);
  EXPECT_TRUE(near(y[1], Values(Shape{2, 2}, {0.25, 0.75, 0.25, 0.75}), 1e-15));
  // The loss weight multiplies.
  const auto dx = run.gradient(0, {Values(Shape{}, {8.0})})[0];
  EXPECT_TRUE(near(*dx, Values(Shape{2, 2}, {-3, 3, 1, -1}), 1e-14));
}

TEST(SoftmaxLoss, Normalizations) {
  // 2 items of 3 positions, 2 of the 6 positions ignored.
  const std::vector<Values> inputs{Values(Shape{2, 4, 3}, 0.0),
                                   Values(Shape{2, 3}, {0, 9, 1, 9, 2, 3})};
  const double sum = 4 * std::log(4.0);
  const auto loss = [&](Normalization n) {
    return forward(make_softmax_loss(n, 9), inputs)[0].v[0];
  };
  EXPECT_NEAR(loss(Normalization::kFull), sum / 6, 1e-14);
  EXPECT_NEAR(loss(Normalization::kValid), sum / 4, 1e-14);
  EXPECT_NEAR(loss(Normalization::kBatchSize), sum / 2, 1e-14);
  EXPECT_NEAR(loss(Normalization::kNone), sum, 1e-14);
}

TEST(SoftmaxLoss, EverythingIgnored) {
  const auto op = make_softmax_loss(Normalization::kValid, -1);
  OpRunner run(reference(), op, {scores(), Values(Shape{2}, -1.0)}, in(DType::kF64));
  EXPECT_EQ(run.forward()[0].v[0], 0);
  EXPECT_EQ(run.gradient(0, {Values(Shape{}, {1.0})})[0]->v, List(4, 0.0));
}

TEST(SoftmaxLoss, Gradients) {
  const Shape x{3, 4, 5};
  Values labels = random_labels(Shape{3, 5}, 2, 4);
  for (const auto n : {Normalization::kFull, Normalization::kValid, Normalization::kBatchSize,
                       Normalization::kNone}) {
    check_all(make_softmax_loss(n), {random_values(x, 1, -2, 2), labels});
    check_all(make_softmax_loss(n, 2), {random_values(x, 1, -2, 2), labels});
  }
  check_all(make_softmax_loss(Normalization::kValid, {}, 2),
            {random_values(Shape{2, 3, 5}, 1), random_labels(Shape{2, 3}, 2, 5)});
  check_all(make_softmax_loss(Normalization::kValid, {}, 0),
            {random_values(Shape{5, 3}, 1), random_labels(Shape{3}, 2, 5)});
}

TEST(SoftmaxLoss, ACertainMistakeIsBounded) {
  for (const DType type : {DType::kF32, DType::kF64}) {
    const auto op = make_softmax_loss();
    const auto y =
        OpRunner(reference(), op, {Values(Shape{1, 2}, {0, 1000}), Values(Shape{1}, {0})}, in(type))
            .forward();
    EXPECT_NEAR(y[0].v[0], -std::log(static_cast<double>(FLT_MIN)), 1e-4);
  }
}

TEST(SoftmaxLoss, LabelsAreTruncatedTowardZero) {
  const auto loss = [](List labels) {
    return forward(make_softmax_loss(), {scores(), Values(Shape{2}, std::move(labels))})[0].v[0];
  };
  EXPECT_EQ(loss({0.9, 1.2}), loss({0, 1}));
  EXPECT_EQ(loss({-0.9, 1}), loss({0, 1}));
}

Error failure(const Values& x, const Values& labels, std::optional<int> ignore = {}) {
  try {
    forward(make_softmax_loss(Normalization::kValid, ignore), {x, labels});
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no error";
  return Error(ErrorCode::kInternal, "");
}

TEST(SoftmaxLoss, ALabelOutOfRangeIsNamed) {
  const Error error = failure(scores(), Values(Shape{2}, {1, 2}));
  EXPECT_EQ(error.code, ErrorCode::kData);
  EXPECT_EQ(error.message, "layer 'loss': label 2 (item 1) is not in 0..1");
  EXPECT_NE(error.hint.find("num_output"), std::string::npos);
  const Error inner = failure(Values(Shape{1, 2, 3}, 0.0), Values(Shape{1, 3}, {0, 1, -1}), 5);
  EXPECT_EQ(inner.message, "layer 'loss': label -1 (item 0, position 2) is not in 0..1");
}

TEST(SoftmaxLoss, ALabelThatIsNoNumberIsAnError) {
  const double inf = std::numeric_limits<double>::infinity();
  for (const double bad : {std::nan(""), inf, -inf, 1e30})
    EXPECT_EQ(failure(scores(), Values(Shape{2}, {bad, 0}), 255).code, ErrorCode::kData);
}

TEST(SoftmaxLoss, OneLabelPerPosition) {
  EXPECT_THROW(forward(make_softmax_loss(), {scores(), Values(Shape{3}, 0.0)}), LogicError);
}

TEST(SoftmaxLoss, ManyPositions) {  // more than one chunk of the sum
  const std::vector<Values> inputs{random_values(Shape{2, 3, 70, 70}, 1, -2, 2),
                                   random_labels(Shape{2, 70, 70}, 2, 3)};
  EXPECT_EQ(
      expect_same(reference(), reference(), make_softmax_loss(Normalization::kValid, 1), inputs),
      "");
}

}  // namespace
}  // namespace crema::test
