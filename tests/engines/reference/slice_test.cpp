#include "engines/reference/run.hpp"
#include "ops/shape_ops.hpp"

namespace crema::test {
namespace {

using List = std::vector<double>;

ops::Slice make_slice(int axis, std::vector<int64_t> cuts) {
  ops::Slice op;
  op.axis = axis, op.cuts = std::move(cuts);
  return op;
}

TEST(Slice, ByHand) {
  const ops::Slice op = make_slice(1, {0, 1, 3});
  OpRunner run(reference(), op, {Values(Shape{2, 3}, {1, 2, 3, 4, 5, 6})}, in(DType::kF64));
  const auto y = run.forward();
  EXPECT_EQ(y[0].v, (List{1, 4}));
  EXPECT_EQ(y[1].v, (List{2, 3, 5, 6}));
  const Values first(Shape{2, 1}, {7, 8}), second(Shape{2, 2}, {9, 10, 11, 12});
  EXPECT_EQ(run.gradient(0, {first, second})[0]->v, (List{7, 9, 10, 8, 11, 12}));
  EXPECT_EQ(run.gradient(0, {std::nullopt, second})[0]->v, (List{0, 9, 10, 0, 11, 12}));
}

TEST(Slice, GradientsAlongEveryAxis) {
  for (int axis = 0; axis < 3; ++axis)
    check_all(make_slice(axis, {0, 1, 4, 6}), {random_values(Shape{6, 6, 6}, 1)});
}

TEST(Slice, PartsLieInTheWholeAlongTheFirstAxisOnly) {
  const std::vector<Values> x = {random_values(Shape{3, 4}, 1)};
  const ops::Slice first = make_slice(0, {0, 1, 3}), second = make_slice(1, {0, 1, 4});
  OpRunner rows(reference(), first, x), columns(reference(), second, x);
  ASSERT_TRUE(rows.forward_offer().parts);
  EXPECT_FALSE(rows.forward_offer().parts->of_output);
  EXPECT_EQ(rows.forward_offer().parts->offsets, (std::map<int, size_t>{{0, 0}, {1, 16}}));
  EXPECT_FALSE(columns.forward_offer().parts);
}

}  // namespace
}  // namespace crema::test
