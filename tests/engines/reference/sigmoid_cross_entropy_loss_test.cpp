#include "engines/reference/run.hpp"
#include "ops/loss.hpp"

namespace crema::test {
namespace {

using ops::Normalization;

ops::SigmoidCrossEntropyLoss make_sigmoid_cross_entropy_loss(Normalization normalization,
                                                             std::optional<int> ignore = {}) {
  ops::SigmoidCrossEntropyLoss op;
  op.normalization = normalization, op.ignore_label = ignore;
  return op;
}

TEST(SigmoidCrossEntropyLoss, ByHand) {
  const double l3 = std::log(3.0);  // sigmoid 3/4
  const std::vector<Values> x{Values(Shape{2, 2}, {l3, l3, -l3, 0}),
                              Values(Shape{2, 2}, {1, 0, 0.5, 1})};
  const double sum = std::log(4.0 / 3) + std::log(4.0) +
                     (0.5 * std::log(4.0 / 3) + 0.5 * std::log(4.0)) + std::log(2.0);
  EXPECT_NEAR(forward(make_sigmoid_cross_entropy_loss(Normalization::kBatchSize), x)[0].v[0],
              sum / 2, 1e-14);
  EXPECT_NEAR(forward(make_sigmoid_cross_entropy_loss(Normalization::kFull), x)[0].v[0], sum / 4,
              1e-14);
  EXPECT_NEAR(forward(make_sigmoid_cross_entropy_loss(Normalization::kNone), x)[0].v[0], sum,
              1e-14);
  const Values dx = gradient(make_sigmoid_cross_entropy_loss(Normalization::kBatchSize), x, 0, 0,
                             Values(Shape{}, {2.0}));
  EXPECT_TRUE(near(dx, Values(Shape{2, 2}, {-0.25, 0.75, -0.25, -0.5}), 1e-14));
}

TEST(SigmoidCrossEntropyLoss, IgnoredTargets) {
  // int(0.7) is 0: ignored as well, as in Caffe.
  const std::vector<Values> x{Values(Shape{1, 4}, 0.0), Values(Shape{1, 4}, {0, 0.7, 1, 1})};
  EXPECT_NEAR(forward(make_sigmoid_cross_entropy_loss(Normalization::kValid, 0), x)[0].v[0],
              std::log(2.0), 1e-15);
  EXPECT_NEAR(forward(make_sigmoid_cross_entropy_loss(Normalization::kFull, 0), x)[0].v[0],
              std::log(2.0) / 2, 1e-15);
  EXPECT_EQ(gradient(make_sigmoid_cross_entropy_loss(Normalization::kValid, 0), x, 0, 0,
                     Values(Shape{}, {2.0}))
                .v,
            (std::vector<double>{0, 0, -0.5, -0.5}));
  const std::vector<Values> none{Values(Shape{1, 2}, 0.0), Values(Shape{1, 2}, {0, 0})};
  EXPECT_EQ(forward(make_sigmoid_cross_entropy_loss(Normalization::kValid, 0), none)[0].v[0], 0);
}

TEST(SigmoidCrossEntropyLoss, LargeScoresDoNotOverflow) {
  const std::vector<Values> x{Values(Shape{1, 2}, {1000, -1000}), Values(Shape{1, 2}, {0, 1})};
  const auto op = make_sigmoid_cross_entropy_loss(Normalization::kBatchSize);
  EXPECT_EQ(OpRunner(reference(), op, x).forward()[0].v[0], 2000);
}

TEST(SigmoidCrossEntropyLoss, Gradients) {
  for (const auto n : {Normalization::kFull, Normalization::kValid, Normalization::kBatchSize,
                       Normalization::kNone}) {
    const Values x = random_values(Shape{3, 2, 4}, 1, -3, 3);
    check_all(make_sigmoid_cross_entropy_loss(n), {x, random_values(Shape{3, 2, 4}, 2, 0, 1)});
    check_all(make_sigmoid_cross_entropy_loss(n, 1), {x, random_labels(Shape{3, 2, 4}, 2, 2)});
  }
}

TEST(SigmoidCrossEntropyLoss, SourcesOfOneSize) {
  EXPECT_THROW(forward(make_sigmoid_cross_entropy_loss(Normalization::kNone),
                       {Values(Shape{2, 2}), Values(Shape{2, 3})}),
               LogicError);
}

}  // namespace
}  // namespace crema::test
