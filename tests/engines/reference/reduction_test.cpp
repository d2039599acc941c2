#include "engines/reference/run.hpp"
#include "ops/statistics.hpp"

namespace crema::test {
namespace {

using List = std::vector<double>;
using ops::ReductionMethod;

ops::Reduction make_reduction(ReductionMethod method, int axis = 0, double coefficient = 1) {
  ops::Reduction op;
  op.method = method, op.axis = axis, op.coefficient = coefficient;
  return op;
}

constexpr ReductionMethod kAll[] = {ReductionMethod::kSum, ReductionMethod::kAbsoluteSum,
                                    ReductionMethod::kSquareSum, ReductionMethod::kMean};

TEST(Reduction, ByHand) {
  const std::vector<Values> x{Values(Shape{2, 3}, {1, -2, 3, -4, 0, -6})};
  const auto y = [&](ReductionMethod m, int axis) {
    return forward(make_reduction(m, axis, 10), x)[0].v;
  };
  EXPECT_EQ(y(ReductionMethod::kSum, 1), (List{20, -100}));
  EXPECT_EQ(y(ReductionMethod::kAbsoluteSum, 1), (List{60, 100}));
  EXPECT_EQ(y(ReductionMethod::kSquareSum, 1), (List{140, 520}));
  EXPECT_TRUE(near(forward(make_reduction(ReductionMethod::kMean, 1, 10), x)[0],
                   Values(Shape{2}, {20.0 / 3, -100.0 / 3}), 1e-15));
  EXPECT_EQ(y(ReductionMethod::kSum, 0), (List{-80}));
  EXPECT_EQ(forward(make_reduction(ReductionMethod::kSum, 0), x)[0].shape, Shape{});
  const Values dy(Shape{2}, {1, 2});
  const auto dx = [&](ReductionMethod m) {
    return gradient(make_reduction(m, 1, 3), x, 0, 0, dy).v;
  };
  EXPECT_EQ(dx(ReductionMethod::kSum), (List{3, 3, 3, 6, 6, 6}));
  EXPECT_EQ(dx(ReductionMethod::kAbsoluteSum), (List{3, -3, 3, -6, 0, -6}));
  EXPECT_EQ(dx(ReductionMethod::kSquareSum), (List{6, -12, 18, -48, 0, -72}));
  EXPECT_EQ(dx(ReductionMethod::kMean), (List{1, 1, 1, 2, 2, 2}));
}

TEST(Reduction, Gradients) {
  for (const ReductionMethod method : kAll)
    for (const int axis : {0, 1, 2})
      check_all(make_reduction(method, axis, -0.7), {random_values(Shape{2, 3, 4}, 1, 0.1, 2)});
}

TEST(Reduction, ManyElements) {  // more than one chunk of a row
  for (const ReductionMethod method : kAll)
    EXPECT_EQ(expect_same(reference(), reference(), make_reduction(method, 1),
                          {random_values(Shape{3, 9000}, 1)}, 1e-4),
              "");
}

TEST(Reduction, NothingToReduce) {
  EXPECT_EQ(forward(make_reduction(ReductionMethod::kMean, 1), {Values(Shape{2, 0})})[0].v,
            (List{0, 0}));
  EXPECT_TRUE(
      forward(make_reduction(ReductionMethod::kSum, 1), {Values(Shape{0, 3})})[0].v.empty());
}

}  // namespace
}  // namespace crema::test
