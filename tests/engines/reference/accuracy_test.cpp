#include "engines/reference/run.hpp"
#include "ops/loss.hpp"

namespace crema::test {
namespace {

using List = std::vector<double>;

ops::Accuracy make_accuracy(int64_t top_k = 1, bool per_class = false,
                            std::optional<int> ignore = {}, int axis = 1) {
  ops::Accuracy op;
  op.top_k = top_k, op.per_class = per_class, op.ignore_label = ignore, op.axis = axis;
  op.layer = "accuracy";
  return op;
}

Values scores() {
  return Values(Shape{4, 3}, {3, 2, 1,    // best 0
                              1, 2, 3,    // best 2
                              1, 3, 2,    // best 1
                              2, 1, 3});  // best 2
}

TEST(Accuracy, ByHand) {
  const Values labels(Shape{4}, {0, 1, 1, 1});  // ranks 1, 2, 1, 3
  EXPECT_EQ(forward(make_accuracy(1), {scores(), labels})[0].v[0], 0.5);
  EXPECT_EQ(forward(make_accuracy(2), {scores(), labels})[0].v[0], 0.75);
  EXPECT_EQ(forward(make_accuracy(3), {scores(), labels})[0].v[0], 1);
}

TEST(Accuracy, PerClass) {
  const auto y = forward(make_accuracy(1, true), {scores(), Values(Shape{4}, {0, 1, 1, 1})});
  EXPECT_TRUE(near(y[1], Values(Shape{3}, {1, 1.0 / 3, 0}), 1e-15));  // class 2 is absent
}

TEST(Accuracy, TiesCountAgainst) {
  const Values x(Shape{1, 3}, {1, 1, 0}), label(Shape{1}, {0});
  EXPECT_EQ(forward(make_accuracy(1), {x, label})[0].v[0], 0);
  EXPECT_EQ(forward(make_accuracy(2), {x, label})[0].v[0], 1);
}

TEST(Accuracy, NanScoresCountAsRight) {
  const double nan = std::nan("");
  EXPECT_EQ(
      forward(make_accuracy(1), {Values(Shape{1, 2}, {nan, nan}), Values(Shape{1}, {1})})[0].v[0],
      1);
}

TEST(Accuracy, IgnoredLabels) {
  const Values labels(Shape{4}, {0, 255, 1, 0});
  const auto y = forward(make_accuracy(1, true, 255), {scores(), labels});
  EXPECT_NEAR(y[0].v[0], 2.0 / 3, 1e-15);
  EXPECT_EQ(y[1].v, (List{0.5, 1, 0}));
  const auto none = forward(make_accuracy(1, true, 255), {scores(), Values(Shape{4}, 255.0)});
  EXPECT_EQ(none[0].v[0], 0);
  EXPECT_EQ(none[1].v, (List{0, 0, 0}));
}

TEST(Accuracy, PositionsAfterTheAxis) {
  // One item, 2 classes, 3 positions.
  const Values x(Shape{1, 2, 3}, {1, 0, 5, 0, 1, 4}), labels(Shape{1, 3}, {0, 0, 0});
  EXPECT_NEAR(forward(make_accuracy(1), {x, labels})[0].v[0], 2.0 / 3, 1e-15);
  EXPECT_EQ(forward(make_accuracy(1, false, {}, 2), {x, Values(Shape{1, 2}, {2, 1})})[0].v[0], 0.5);
}

TEST(Accuracy, ALabelOutOfRangeIsNamed) {
  try {
    forward(make_accuracy(1), {scores(), Values(Shape{4}, {0, 1, 2, 3})});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kData);
    EXPECT_EQ(error.message, "layer 'accuracy': label 3 (item 3) is not in 0..2");
  }
}

TEST(Accuracy, ManyPositions) {
  const std::vector<Values> inputs{random_values(Shape{2, 4, 60, 60}, 1),
                                   random_labels(Shape{2, 60, 60}, 2, 4)};
  EXPECT_EQ(expect_same(reference(), reference(), make_accuracy(2, true, 3), inputs), "");
}

}  // namespace
}  // namespace crema::test
