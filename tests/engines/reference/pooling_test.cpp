#include <cfloat>
#include <limits>

#include "engines/reference/run.hpp"
#include "ops/spatial.hpp"

namespace crema::test {
namespace {

using List = std::vector<double>;

ops::Pooling make_pooling(ops::PoolMethod method, int64_t kernel, int64_t stride, int64_t pad,
                          int64_t out_h, int64_t out_w) {
  ops::Pooling op;
  op.method = method;
  op.kernel_h = op.kernel_w = kernel, op.stride_h = op.stride_w = stride;
  op.pad_h = op.pad_w = pad, op.out_h = out_h, op.out_w = out_w;
  return op;
}
constexpr auto kMax = ops::PoolMethod::kMax;
constexpr auto kAverage = ops::PoolMethod::kAverage;

// No two elements nearer than 1/64.
Values distinct(const Shape& shape) {
  Values out{shape};
  for (size_t i = 0; i < out.v.size(); ++i) out.v[i] = static_cast<double>(i * 37 % 101) / 64 - 0.8;
  return out;
}

TEST(Pooling, MaximumByHand) {
  const Values x(Shape{1, 1, 3, 3}, {1, 2, 3, 9, 5, 6, 7, 8, 4});
  auto op = make_pooling(kMax, 2, 1, 0, 2, 2);
  op.mask = true;
  const auto y = forward(op, {x});
  EXPECT_EQ(y[0].v, (List{9, 6, 9, 8}));
  EXPECT_EQ(y[1].v, (List{3, 5, 3, 7}));
  const Values dy(Shape{1, 1, 2, 2}, {1, 10, 100, 1000});
  EXPECT_EQ(gradient(op, {x}, 0, 0, dy).v, (List{0, 0, 0, 101, 0, 10, 0, 1000, 0}));
}

TEST(Pooling, TheFirstOfEqualsWins) {
  const Values x(Shape{1, 1, 2, 3}, {1, 7, 7, 7, 7, 1});
  auto op = make_pooling(kMax, 3, 1, 0, 1, 1);
  op.kernel_h = 2, op.mask = true;
  EXPECT_EQ(forward(op, {x})[1].v, List{1});
  EXPECT_EQ(gradient(op, {x}, 0, 0, Values(Shape{1, 1, 1, 1}, {5})).v, (List{0, 5, 0, 0, 0, 0}));
}

TEST(Pooling, PaddingNeverWins) {
  const Values x(Shape{1, 1, 2, 2}, {-4, -3, -2, -1});
  EXPECT_EQ(forward(make_pooling(kMax, 2, 2, 1, 2, 2), {x})[0].v, (List{-4, -3, -2, -1}));
}

TEST(Pooling, NanNeverWinsAndAWindowOfThemHasNoWinner) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Values x(Shape{1, 1, 1, 4}, {nan, -5, nan, nan});
  auto op = make_pooling(kMax, 2, 2, 0, 1, 2);
  op.kernel_h = 1, op.mask = true;
  for (const DType type : {DType::kF32, DType::kF64}) {
    OpRunner run(reference(), op, {x}, in(type));
    const auto y = run.forward();
    EXPECT_EQ(y[0].v, (List{-5, -FLT_MAX}));
    EXPECT_EQ(y[1].v, (List{1, -1}));
    EXPECT_EQ(run.gradient(0, {Values(Shape{1, 1, 1, 2}, {3, 4})})[0]->v, (List{0, 3, 0, 0}));
  }
}

// ceil with a stride above the kernel: 4 cells, kernel 1, stride 4... the second window starts
// at 4.
TEST(Pooling, AWindowOutsideTheImage) {
  const Values x(Shape{1, 1, 1, 4}, {1, 2, 3, 4});
  for (const auto method : {kMax, kAverage}) {
    auto op = make_pooling(method, 1, 4, 0, 1, 2);
    OpRunner run(reference(), op, {x}, in(DType::kF64));
    EXPECT_EQ(run.forward()[0].v, (List{1, method == kMax ? -FLT_MAX : 0.0}));
    EXPECT_EQ(run.gradient(0, {Values(Shape{1, 1, 1, 2}, {5, 7})})[0]->v, (List{5, 0, 0, 0}));
  }
}

TEST(Pooling, TheAverageCountsPaddingButNotWhatLiesBeyond) {
  // Extent 3, pad 1, kernel 3, stride 2, 3 outputs (by ceil): the windows start at -1, 1, 3; their
  // lengths up to the border at 4 are 3, 3, 1.
  const Values x(Shape{1, 1, 3, 1}, {9, 18, 36});
  auto op = make_pooling(kAverage, 3, 2, 1, 3, 1);
  op.kernel_w = 1, op.pad_w = 0, op.stride_w = 1;
  EXPECT_EQ(forward(op, {x})[0].v, (List{9, 18, 0}));
  const Values y(Shape{1, 1, 2, 2}, {4, 8, 12, 16});
  // 4 x 4 with padding, kernel 3, stride 2: one corner window of 3 x 3, then 2 wide ones.
  EXPECT_EQ(forward(make_pooling(kAverage, 3, 2, 1, 2, 2), {y})[0].v,
            (List{40.0 / 9, 24.0 / 6, 28.0 / 6, 16.0 / 4}));
}

TEST(Pooling, Gradients) {
  const Shape x{2, 3, 5, 6};
  for (const auto method : {kMax, kAverage}) {
    check_all(make_pooling(method, 2, 2, 0, 3, 3), {distinct(x)});
    check_all(make_pooling(method, 3, 2, 1, 3, 4), {distinct(x)});
    auto op = make_pooling(method, 3, 1, 0, 3, 3);
    op.kernel_w = 2, op.stride_w = 3, op.pad_w = 1;  // asymmetric
    check_all(op, {distinct(x)});
    op.kernel_h = 5, op.kernel_w = 6, op.pad_w = 0, op.out_h = op.out_w = 1;  // global
    check_all(op, {distinct(x)});
  }
}

TEST(Pooling, TheMaskHasNoGradient) {
  auto op = make_pooling(kMax, 2, 2, 0, 2, 3);
  op.mask = true;
  check_all(op, {distinct(Shape{1, 2, 4, 6})});
}

TEST(Pooling, NoWorkspaceWithoutTraining) {
  const auto op = make_pooling(kMax, 2, 2, 0, 2, 2);
  RunOptions test;
  test.training = false;
  OpRunner run(reference(), op, {distinct(Shape{1, 1, 4, 4})}, test);
  EXPECT_EQ(run.forward_offer().workspace_bytes, 0u);
  EXPECT_EQ(run.forward()[0].v,
            OpRunner(reference(), op, {distinct(Shape{1, 1, 4, 4})}).forward()[0].v);
}

TEST(Pooling, StochasticDrawsCellsInProportionToTheirValues) {
  // One window of 1, 0, 3, 4 in each of 4000 planes.
  Values x(Shape{1, 4000, 2, 2});
  for (size_t i = 0; i < x.v.size(); ++i) x.v[i] = (List{1, 0, 3, 4})[i % 4];
  auto op = make_pooling(ops::PoolMethod::kStochastic, 2, 2, 0, 1, 1);
  op.stream = "pool1";
  RunOptions options = in(DType::kF64);
  options.step = {5, 0, 7};
  const Values y = OpRunner(reference(), op, {x}, options).forward()[0];
  const auto share = [&](double v) {
    return static_cast<double>(std::count(y.v.begin(), y.v.end(), v)) / 4000;
  };
  EXPECT_NEAR(share(1), 1 / 8.0, 0.02);
  EXPECT_EQ(share(0), 0);
  EXPECT_NEAR(share(3), 3 / 8.0, 0.03);
  EXPECT_NEAR(share(4), 4 / 8.0, 0.03);
  EXPECT_EQ(OpRunner(reference(), op, {x}, options).forward()[0].v, y.v) << "the same draw again";
  options.step.pass = 8;
  EXPECT_NE(OpRunner(reference(), op, {x}, options).forward()[0].v, y.v) << "another pass";
  op.stream = "pool2";
  options.step.pass = 7;
  EXPECT_NE(OpRunner(reference(), op, {x}, options).forward()[0].v, y.v) << "another layer";
}

TEST(Pooling, StochasticGradientGoesToTheDrawnCell) {
  const Values x(Shape{1, 1, 2, 4}, {1, 2, 3, 4, 5, 6, 7, 8});
  const auto op = make_pooling(ops::PoolMethod::kStochastic, 2, 2, 0, 1, 2);
  OpRunner run(reference(), op, {x}, in(DType::kF64));
  const Values y = run.forward()[0];
  const auto dx = run.gradient(0, {Values(y.shape, {10, 20})})[0];
  for (size_t i = 0; i < x.v.size(); ++i)
    EXPECT_EQ(dx->v[i], x.v[i] == y.v[0] ? 10 : x.v[i] == y.v[1] ? 20 : 0) << i;
}

TEST(Pooling, StochasticWithoutAnythingToDraw) {
  const auto op = make_pooling(ops::PoolMethod::kStochastic, 2, 2, 0, 1, 1);
  EXPECT_EQ(forward(op, {Values(Shape{1, 1, 2, 2}, 0.0)})[0].v, List{0});
  // Negative numbers make no sense here; what happens is still one of the cells.
  EXPECT_EQ(forward(op, {Values(Shape{1, 1, 2, 2}, -3.0)})[0].v, List{-3});
}

TEST(Pooling, WeightedByHand) {
  const auto op = make_pooling(ops::PoolMethod::kWeighted, 2, 2, 0, 1, 2);
  const Values x(Shape{1, 1, 2, 4}, {1, 3, 0, 0, 4, 0, 0, 0});
  EXPECT_EQ(forward(op, {x})[0].v, (List{26 / 8.0, 0}));
  check_all(op, {random_values(Shape{2, 3, 2, 4}, 1, 0.1, 2)});
  check_all(make_pooling(ops::PoolMethod::kWeighted, 3, 2, 0, 3, 3),
            {random_values(Shape{1, 2, 6, 6}, 1, 0.1, 2)});  // windows cut at the border
}

}  // namespace
}  // namespace crema::test
