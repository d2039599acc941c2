#include "engines/reference/run.hpp"
#include "ops/pointwise.hpp"

namespace crema::test {
namespace {

using List = std::vector<double>;

ops::Scale make_scale(int axis, bool bias) {
  ops::Scale op;
  op.axis = axis, op.bias = bias;
  return op;
}

TEST(Scale, ByHand) {
  const Values x(Shape{2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8});
  const Values f(Shape{2}, {10, 100}), b(Shape{2}, {1, 2});
  EXPECT_EQ(forward(make_scale(1, true), {x, f, b})[0].v,
            (List{11, 21, 302, 402, 51, 61, 702, 802}));
  EXPECT_EQ(forward(make_scale(2, false), {x, f})[0].v, (List{10, 200, 30, 400, 50, 600, 70, 800}));
  EXPECT_EQ(forward(make_scale(0, false), {x, f})[0].v, (List{10, 20, 30, 40, 500, 600, 700, 800}));
  const Values ones(x.shape, 1.0);
  EXPECT_EQ(gradient(make_scale(1, true), {x, f, b}, 1, 1, ones).v, (List{14, 22}));
  EXPECT_EQ(gradient(make_scale(1, true), {x, f, b}, 2, 2, ones).v, (List{4, 4}));
}

TEST(Scale, ScalarFactorWhateverTheAxis) {
  const Values x(Shape{2, 2}, {1, 2, 3, 4}), f(Shape{}, {10}), b(Shape{}, {1});
  for (const int axis : {0, 1, 2}) {
    EXPECT_EQ(forward(make_scale(axis, true), {x, f, b})[0].v, (List{11, 21, 31, 41}));
    EXPECT_EQ(gradient(make_scale(axis, true), {x, f, b}, 1, 1, Values(x.shape, 1.0)).v, List{10});
  }
}

TEST(Scale, GradientsOfEveryBroadcast) {
  const Shape x{2, 3, 4, 5};
  for (int axis = 0; axis < 4; ++axis)
    for (int rank = 0; axis + rank <= 4; ++rank)
      for (const bool bias : {false, true}) {
        const Shape factor = x.slice(axis, axis + rank);
        std::vector<Values> inputs{random_values(x, 1), random_values(factor, 2, 0.5, 2)};
        if (bias) inputs.push_back(random_values(factor, 3));
        check_all(make_scale(axis, bias), inputs);
      }
}

TEST(Scale, LargeEnoughForSeveralThreads) {
  const Shape x{3, 7, 50, 20};
  for (int axis = 0; axis < 4; ++axis)
    EXPECT_EQ(expect_same(reference(), reference(), make_scale(axis, false),
                          {random_values(x, 1), random_values(x.slice(axis, 4), 2)}),
              "");
}

}  // namespace
}  // namespace crema::test
