#include "engines/reference/run.hpp"
#include "ops/linear.hpp"
#include "ops/spatial.hpp"

namespace crema::test {
namespace {

using Sizes = std::vector<int64_t>;

ops::Im2Col make_im2col(Sizes kernel, Sizes stride, Sizes pad, Sizes dilation) {
  ops::Im2Col op;
  op.kernel = std::move(kernel), op.stride = std::move(stride), op.pad = std::move(pad);
  op.dilation = std::move(dilation);
  return op;
}

TEST(Im2Col, ByHand) {
  const std::vector<Values> x{Values(Shape{1, 1, 2, 3}, {1, 2, 3, 4, 5, 6})};
  const auto op = make_im2col({2, 1}, {1, 2}, {0, 0}, {1, 1});
  const Values y = forward(op, x)[0];
  EXPECT_EQ(y.shape, (Shape{1, 2, 1, 2}));
  EXPECT_EQ(y.v, (std::vector<double>{1, 3, 4, 6}));
  EXPECT_EQ(gradient(op, x, 0, 0, Values(y.shape, {1, 2, 3, 4})).v,
            (std::vector<double>{1, 0, 2, 3, 0, 4}));
}

// Weights times columns are the convolution.
TEST(Im2Col, IsWhatConvolutionMultiplies) {
  for (const auto& op :
       {make_im2col({3, 2}, {1, 2}, {1, 0}, {1, 2}), make_im2col({3}, {2}, {2}, {2}),
        make_im2col({2, 1, 3}, {1, 2, 1}, {1, 0, 1}, {1, 1, 2})}) {
    Shape x{2, 3}, w{4, 3};
    for (size_t i = 0; i < op.kernel.size(); ++i) x.append(6), w.append(op.kernel[i]);
    const Values image = random_values(x, 1), weights = random_values(w, 2);
    ops::Convolution conv;
    static_cast<ops::Windows&>(conv) = op;
    conv.bias = false;
    const Values expected = forward(conv, {image, weights})[0], columns = forward(op, {image})[0];
    ops::Convolution one;  // 1 x ... x 1
    one.kernel = one.stride = one.dilation = Sizes(op.kernel.size(), 1);
    one.pad = Sizes(op.kernel.size(), 0), one.bias = false;
    Shape flat{4, w.count(1)};
    for (size_t i = 0; i < op.kernel.size(); ++i) flat.append(1);
    EXPECT_TRUE(near(forward(one, {columns, Values(flat, weights.v)})[0], expected, 1e-13));
    check_all(op, {image});
  }
}

TEST(Im2Col, LargeEnoughForSeveralThreads) {
  EXPECT_EQ(expect_same(reference(), reference(), make_im2col({3, 3}, {1, 1}, {1, 1}, {1, 1}),
                        {random_values(Shape{2, 5, 20, 24}, 1)}),
            "");
}

}  // namespace
}  // namespace crema::test
