#include "engines/reference/run.hpp"
#include "ops/statistics.hpp"

namespace crema::test {
namespace {

ops::Mvn make_mvn(int axis, bool variance = true, float eps = 1e-9f) {
  ops::Mvn op;
  op.axis = axis, op.normalize_variance = variance, op.eps = eps;
  return op;
}

TEST(Mvn, ByHand) {
  const std::vector<Values> x{Values(Shape{2, 2}, {1, 5, -3, 3})};
  EXPECT_EQ(forward(make_mvn(1, false), x)[0].v, (std::vector<double>{-2, 2, -3, 3}));
  // eps is added to the standard deviations, 2 and 3.
  const Values y = forward(make_mvn(1, true, 0.5f), x)[0];
  EXPECT_TRUE(near(y, Values(Shape{2, 2}, {-0.8, 0.8, -3 / 3.5, 3 / 3.5}), 1e-15));
  const Values dy(Shape{2, 2}, {1, 4, 0, 2});
  EXPECT_EQ(gradient(make_mvn(1, false), x, 0, 0, dy).v, (std::vector<double>{-1.5, 1.5, -1, 1}));
  // (g - 2.5 -+ 0.8 * 1.2) / 2.5: Caffe's formula, not quite the derivative where eps is large.
  const Values dx = gradient(make_mvn(1, true, 0.5f), x, 0, 0, dy);
  EXPECT_NEAR(dx.v[0], (1 - 2.5 + 0.8 * 1.2) / 2.5, 1e-14);
  EXPECT_NEAR(dx.v[1], (4 - 2.5 - 0.8 * 1.2) / 2.5, 1e-14);
}

TEST(Mvn, Gradients) {
  for (const int axis : {1, 2})
    for (const bool variance : {true, false})
      check_all(make_mvn(axis, variance), {random_values(Shape{2, 3, 4, 2}, 1, -2, 2)});
}

TEST(Mvn, LargeRowsAndAConstantOne) {
  EXPECT_EQ(expect_same(reference(), reference(), make_mvn(2),
                        {random_values(Shape{3, 2, 80, 70}, 1, 3, 5)}, 1e-4),
            "");
  EXPECT_EQ(forward(make_mvn(1), {Values(Shape{1, 4}, 7.0)})[0].v, std::vector<double>(4, 0.0));
}

}  // namespace
}  // namespace crema::test
