#include <limits>

#include "engines/reference/run.hpp"
#include "ops/statistics.hpp"

namespace crema::test {
namespace {

ops::Softmax make_softmax(int axis) {
  ops::Softmax op;
  op.axis = axis;
  return op;
}

TEST(Softmax, ByHand) {
  const double l2 = std::log(2.0), l5 = std::log(5.0);
  const Values x(Shape{1, 3, 2}, {0, 7, l2, 7, l5, 7});
  const double third = 1.0 / 3;
  EXPECT_TRUE(near(forward(make_softmax(1), {x})[0],
                   Values(x.shape, {0.125, third, 0.25, third, 0.625, third}), 1e-15));
}

TEST(Softmax, LargeScoresDoNotOverflow) {
  const Values x(Shape{2, 2}, {1e30, 1e30, -1e30, 1e30});
  const auto op = make_softmax(1);
  EXPECT_EQ(OpRunner(reference(), op, {x}).forward()[0].v, (std::vector<double>{0.5, 0.5, 0, 1}));
}

TEST(Softmax, GradientsAlongEveryAxis) {
  for (int axis = 0; axis < 4; ++axis)
    check_all(make_softmax(axis), {random_values(Shape{2, 3, 4, 3}, 1, -2, 2)});
}

TEST(Softmax, MorePositionsThanOneBlock) {
  const Values x = random_values(Shape{2, 5, 150}, 1, -3, 3);
  const Values y = forward(make_softmax(1), {x})[0];
  for (size_t n = 0; n < 2; ++n)
    for (size_t i = 0; i < 150; ++i) {
      double sum = 0;
      for (size_t k = 0; k < 5; ++k) sum += std::exp(x.v[(n * 5 + k) * 150 + i]);
      for (size_t k = 0; k < 5; ++k) {
        const size_t at = (n * 5 + k) * 150 + i;
        ASSERT_NEAR(y.v[at], std::exp(x.v[at]) / sum, 1e-14);
      }
    }
  EXPECT_EQ(expect_same(reference(), reference(), make_softmax(1), {x}), "");
}

}  // namespace
}  // namespace crema::test
