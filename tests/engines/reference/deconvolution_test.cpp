#include "engines/reference/run.hpp"
#include "ops/linear.hpp"

namespace crema::test {
namespace {

using Sizes = std::vector<int64_t>;

ops::Deconvolution make_deconvolution(Sizes kernel, Sizes stride, Sizes pad, Sizes dilation,
                                      int64_t groups = 1, bool bias = true) {
  ops::Deconvolution op;
  op.kernel = std::move(kernel), op.stride = std::move(stride), op.pad = std::move(pad);
  op.dilation = std::move(dilation), op.groups = groups, op.bias = bias;
  return op;
}

std::vector<Values> inputs_for(const ops::Deconvolution& op, const Shape& x, int64_t channels) {
  Shape w{x[1], channels / op.groups};
  for (const int64_t k : op.kernel) w.append(k);
  std::vector<Values> out{random_values(x, 1), random_values(w, 2)};
  if (op.bias) out.push_back(random_values(Shape{channels}, 3));
  return out;
}

// The op against the data gradient of the convolution whose transpose it is, and its own gradients
// against differences.
void check(const ops::Deconvolution& op, const Shape& x, int64_t channels) {
  const std::vector<Values> inputs = inputs_for(op, x, channels);
  const Values y = forward(op, inputs)[0];
  ops::Convolution other;
  static_cast<ops::Windows&>(other) = op;
  other.groups = op.groups, other.bias = false;
  const std::vector<Values> swapped{Values(y.shape), inputs[1]};
  ASSERT_EQ(other.infer(std::vector<Shape>{y.shape, inputs[1].shape})[0], x);
  Values expected = gradient(other, swapped, 0, 0, inputs[0]);
  const int64_t plane = y.shape.count(2);
  for (size_t i = 0; op.bias && i < expected.v.size(); ++i)
    expected.v[i] += inputs[2].v[i / static_cast<size_t>(plane) % static_cast<size_t>(channels)];
  EXPECT_TRUE(near(y, expected, 1e-13));
  check_all(op, inputs);
}

TEST(Deconvolution, ByHand) {
  // Every input puts its multiple of the kernel down, 2 apart.
  const Values x(Shape{1, 1, 1, 3}, {1, 2, 3}), w(Shape{1, 1, 1, 3}, {100, 10, 1}),
      b(Shape{1}, {1000});
  auto op = make_deconvolution({1, 3}, {1, 2}, {0, 0}, {1, 1});
  EXPECT_EQ(forward(op, {x, w, b})[0].v,
            (std::vector<double>{1100, 1010, 1201, 1020, 1302, 1030, 1003}));
  op.pad = {0, 1};
  EXPECT_EQ(forward(op, {x, w, b})[0].v, (std::vector<double>{1010, 1201, 1020, 1302, 1030}));
  const Values dy(Shape{1, 1, 1, 5}, {1, 2, 3, 4, 5});
  EXPECT_EQ(gradient(op, {x, w, b}, 0, 0, dy).v, (std::vector<double>{12, 234, 450}));
  EXPECT_EQ(gradient(op, {x, w, b}, 1, 1, dy).v, (std::vector<double>{16, 22, 10}));
  EXPECT_EQ(gradient(op, {x, w, b}, 1, 2, dy).v, (std::vector<double>{15}));
}

TEST(Deconvolution, TwoAxes) {
  check(make_deconvolution({3, 3}, {2, 2}, {1, 1}, {1, 1}), Shape{2, 3, 4, 3}, 4);
}
TEST(Deconvolution, Asymmetric) {
  check(make_deconvolution({1, 5}, {3, 2}, {0, 2}, {1, 1}), Shape{1, 2, 3, 4}, 2);
}
TEST(Deconvolution, Dilation) {
  check(make_deconvolution({3, 2}, {1, 2}, {2, 1}, {2, 3}), Shape{2, 2, 4, 3}, 3);
}
TEST(Deconvolution, Groups) {
  check(make_deconvolution({2, 2}, {1, 1}, {0, 1}, {1, 1}, 2), Shape{2, 4, 3, 4}, 6);
}
TEST(Deconvolution, OneGroupPerChannel) {
  check(make_deconvolution({4, 4}, {2, 2}, {1, 1}, {1, 1}, 3, false), Shape{2, 3, 3, 2}, 3);
}
TEST(Deconvolution, NoSpatialAxes) {
  check(make_deconvolution({}, {}, {}, {}, 2), Shape{3, 4}, 2);
}
TEST(Deconvolution, OneSpatialAxis) {
  check(make_deconvolution({3}, {2}, {2}, {2}), Shape{2, 3, 4}, 2);
}
TEST(Deconvolution, ThreeSpatialAxes) {
  check(make_deconvolution({2, 1, 3}, {1, 2, 1}, {1, 0, 1}, {1, 1, 2}, 2), Shape{1, 2, 3, 2, 2}, 4);
}

TEST(Deconvolution, EitherWeightGradientAlone) {
  const auto op = make_deconvolution({2, 2}, {2, 2}, {0, 0}, {1, 1});
  OpRunner run(reference(), op, inputs_for(op, Shape{2, 2, 3, 3}, 2), in(DType::kF64));
  const Values dy = random_values(run.forward()[0].shape, 9);
  const auto both = run.gradient(1, {dy});
  for (const int source : {1, 2}) {
    const auto one = run.gradient(1, {dy}, std::vector<int>{source});
    EXPECT_FALSE(one[static_cast<size_t>(3 - source)].has_value());
    EXPECT_EQ(one[static_cast<size_t>(source)]->v, both[static_cast<size_t>(source)]->v);
  }
}

TEST(Deconvolution, EmptyBatch) {
  const auto op = make_deconvolution({2, 2}, {2, 2}, {0, 0}, {1, 1});
  OpRunner run(reference(), op, inputs_for(op, Shape{0, 2, 3, 3}, 2));
  EXPECT_TRUE(run.forward()[0].v.empty());
  EXPECT_EQ(run.gradient(1, {Values{Shape{0, 2, 6, 6}}})[1]->v, std::vector<double>(16, 0.0));
}

}  // namespace
}  // namespace crema::test
