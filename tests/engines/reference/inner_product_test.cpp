#include "engines/reference/run.hpp"
#include "ops/linear.hpp"

namespace crema::test {
namespace {

ops::InnerProduct make_inner_product(int axis, bool transpose, bool bias) {
  ops::InnerProduct op;
  op.axis = axis, op.transpose = transpose, op.bias = bias;
  return op;
}

TEST(InnerProduct, ByHand) {
  const Values x(Shape{2, 3}, {1, 2, 3, 4, 5, 6}), b(Shape{2}, {100, 200});
  const Values w(Shape{2, 3}, {1, 0, 2, 0, 1, 10}), wt(Shape{3, 2}, {1, 0, 0, 1, 2, 10});
  const std::vector<double> expected{107, 232, 116, 265}, dx{1, 10, 102, 3, 30, 306},
      dw{10, 14, 18, 130, 170, 210}, dwt{10, 130, 14, 170, 18, 210};
  const Values dy(Shape{2, 2}, {1, 10, 3, 30}), dy2(Shape{2, 2}, {2, 10, 2, 30});
  EXPECT_EQ(forward(make_inner_product(1, false, true), {x, w, b})[0].v, expected);
  EXPECT_EQ(forward(make_inner_product(1, true, true), {x, wt, b})[0].v, expected);
  EXPECT_EQ(gradient(make_inner_product(1, false, true), {x, w, b}, 0, 0, dy).v, dx);
  EXPECT_EQ(gradient(make_inner_product(1, true, true), {x, wt, b}, 0, 0, dy).v, dx);
  EXPECT_EQ(gradient(make_inner_product(1, false, true), {x, w, b}, 1, 1, dy2).v, dw);
  EXPECT_EQ(gradient(make_inner_product(1, true, true), {x, wt, b}, 1, 1, dy2).v, dwt);
  EXPECT_EQ(gradient(make_inner_product(1, false, true), {x, w, b}, 1, 2, dy).v,
            (std::vector<double>{4, 40}));
}

TEST(InnerProduct, GradientsInEveryForm) {
  for (const bool transpose : {false, true})
    for (const bool bias : {false, true}) {
      const Shape w = transpose ? Shape{6, 4} : Shape{4, 6};
      std::vector<Values> inputs{random_values(Shape{3, 2, 3}, 1), random_values(w, 2)};
      if (bias) inputs.push_back(random_values(Shape{4}, 3));
      check_all(make_inner_product(1, transpose, bias), inputs);
    }
}

TEST(InnerProduct, OtherAxes) {
  const std::vector<Values> last{random_values(Shape{2, 3, 5}, 1), random_values(Shape{4, 5}, 2),
                                 random_values(Shape{4}, 3)};
  EXPECT_EQ(forward(make_inner_product(2, false, true), last)[0].shape, (Shape{2, 3, 4}));
  check_all(make_inner_product(2, false, true), last);
  const std::vector<Values> all{random_values(Shape{2, 3}, 1), random_values(Shape{4, 6}, 2),
                                random_values(Shape{4}, 3)};
  EXPECT_EQ(forward(make_inner_product(0, false, true), all)[0].shape, Shape{4});
  check_all(make_inner_product(0, false, true), all);
}

TEST(InnerProduct, WiderThanOneBlock) {
  const std::vector<Values> inputs{random_values(Shape{3, 2500}, 1),
                                   random_values(Shape{17, 2500}, 2), random_values(Shape{17}, 3)};
  const Values y = forward(make_inner_product(1, false, true), inputs)[0];
  for (size_t m = 0; m < 3; ++m)
    for (size_t n = 0; n < 17; ++n) {
      double sum = inputs[2].v[n];
      for (size_t k = 0; k < 2500; ++k)
        sum += inputs[0].v[m * 2500 + k] * inputs[1].v[n * 2500 + k];
      EXPECT_NEAR(y.v[m * 17 + n], sum, 1e-11);
    }
  EXPECT_EQ(expect_same(reference(), reference(), make_inner_product(1, false, true), inputs), "");
}

}  // namespace
}  // namespace crema::test
