#include "engines/reference/run.hpp"
#include "ops/linear.hpp"

namespace crema::test {
namespace {

ops::WeightGradientSum make_weight_gradient_sum(Shape weight, int axis = 1,
                                                bool transpose = false) {
  ops::WeightGradientSum op;
  op.axis = axis, op.transpose = transpose, op.weight = std::move(weight);
  return op;
}

TEST(WeightGradientSum, ByHand) {
  const std::vector<Values> inputs{Values(Shape{1, 3}, {1, 2, 3}), Values(Shape{1, 2}, {10, 1}),
                                   Values(Shape{2, 3}, {1, 0, 0, 0, 1, 0}),
                                   Values(Shape{2, 2}, {100, 200, 300, 400})};
  EXPECT_EQ(forward(make_weight_gradient_sum(Shape{2, 3}), inputs)[0].v,
            (std::vector<double>{110, 320, 30, 201, 402, 3}));
  EXPECT_EQ(forward(make_weight_gradient_sum(Shape{3, 2}, 1, true), inputs)[0].v,
            (std::vector<double>{110, 201, 320, 402, 30, 3}));
}

// What the parts of the inner products would give one by one.
TEST(WeightGradientSum, IsTheSumOfTheInnerProductsGradients) {
  for (const bool transpose : {false, true}) {
    ops::InnerProduct product;
    product.axis = 2, product.transpose = transpose, product.bias = false;
    const Values w = random_values(transpose ? Shape{5, 4} : Shape{4, 5}, 9);
    std::vector<Values> inputs;
    Values expected{w.shape};
    for (uint64_t use = 0; use < 3; ++use) {
      inputs.push_back(random_values(Shape{2, 3, 5}, 2 * use));
      inputs.push_back(random_values(Shape{2, 3, 4}, 2 * use + 1));
      const Values part =
          gradient(product, {inputs[inputs.size() - 2], w}, 1, 1, inputs[inputs.size() - 1]);
      for (size_t i = 0; i < part.v.size(); ++i) expected.v[i] += part.v[i];
    }
    const Values sum = forward(make_weight_gradient_sum(w.shape, 2, transpose), inputs)[0];
    EXPECT_EQ(sum.shape, w.shape);
    EXPECT_TRUE(near(sum, expected, 1e-12));
  }
}

}  // namespace
}  // namespace crema::test
