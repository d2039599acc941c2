#include "engines/reference/run.hpp"
#include "ops/fused.hpp"

namespace crema::test {
namespace {

using List = std::vector<double>;

ops::Concat make_concat(int axis, int sources) {
  ops::Concat op;
  op.axis = axis, op.sources = sources;
  return op;
}

TEST(Concat, ByHand) {
  const std::vector<Values> x{Values(Shape{2, 1, 2}, {1, 2, 3, 4}),
                              Values(Shape{2, 2, 2}, {5, 6, 7, 8, 9, 10, 11, 12})};
  EXPECT_EQ(forward(make_concat(1, 2), x)[0].v, (List{1, 2, 5, 6, 7, 8, 3, 4, 9, 10, 11, 12}));
  const Values dy(Shape{2, 3, 2}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
  EXPECT_EQ(gradient(make_concat(1, 2), x, 0, 0, dy).v, (List{1, 2, 7, 8}));
  EXPECT_EQ(gradient(make_concat(1, 2), x, 1, 1, dy).v, (List{3, 4, 5, 6, 9, 10, 11, 12}));
}

TEST(Concat, GradientsAlongEveryAxis) {
  for (int axis = 0; axis < 3; ++axis) {
    std::vector<Values> x;
    for (int s = 0; s < 3; ++s) {
      Shape shape{2, 3, 4};
      shape[axis] = s + 1;
      x.push_back(random_values(shape, static_cast<uint32_t>(s)));
    }
    check_all(make_concat(axis, 3), x);
  }
  check_all(make_concat(1, 1), {random_values(Shape{2, 3}, 1)});
}

TEST(Concat, ASourceWithNothingInIt) {
  const std::vector<Values> x{Values(Shape{2, 0}), Values(Shape{2, 1}, {1, 2})};
  EXPECT_EQ(forward(make_concat(1, 2), x)[0].v, (List{1, 2}));
}

TEST(RectifiedConcat, ByHand) {
  ops::RectifiedConcat op;
  op.concat = make_concat(1, 2);
  op.negative_slopes = {0, 0.5f};
  const std::vector<Values> x{Values(Shape{2, 1}, {1, 0}), Values(Shape{2, 2}, {0, 2, -3, 4})};
  EXPECT_EQ(forward(op, x)[0].v, (List{1, 0, 2, 0, -3, 4}));
  const Values dy(Shape{2, 3}, {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(gradient(op, x, 0, 0, dy).v, (List{1, 0}));
  EXPECT_EQ(gradient(op, x, 1, 1, dy).v, (List{1, 3, 2.5, 6}));
}

}  // namespace
}  // namespace crema::test
