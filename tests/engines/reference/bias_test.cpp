#include "engines/reference/run.hpp"
#include "ops/pointwise.hpp"

namespace crema::test {
namespace {

using List = std::vector<double>;

ops::Bias make_bias(int axis) {
  ops::Bias op;
  op.axis = axis;
  return op;
}

TEST(Bias, ByHand) {
  const Values x(Shape{2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8}), b(Shape{2}, {10, 100});
  EXPECT_EQ(forward(make_bias(1), {x, b})[0].v, (List{11, 12, 103, 104, 15, 16, 107, 108}));
  EXPECT_EQ(forward(make_bias(2), {x, b})[0].v, (List{11, 102, 13, 104, 15, 106, 17, 108}));
  EXPECT_EQ(forward(make_bias(1), {x, Values(Shape{}, {10})})[0].v,
            (List{11, 12, 13, 14, 15, 16, 17, 18}));
  const Values dy(x.shape, {1, 2, 3, 4, 5, 6, 7, 8});
  EXPECT_EQ(gradient(make_bias(1), {x, b}, 0, 0, dy).v, dy.v);
  EXPECT_EQ(gradient(make_bias(1), {x, b}, 1, 1, dy).v, (List{14, 22}));
}

TEST(Bias, GradientsOfEveryBroadcast) {
  const Shape x{2, 3, 4, 5};
  for (int axis = 0; axis < 4; ++axis)
    for (int rank = 0; axis + rank <= 4; ++rank)
      check_all(make_bias(axis),
                {random_values(x, 1), random_values(x.slice(axis, axis + rank), 2)});
}

}  // namespace
}  // namespace crema::test
