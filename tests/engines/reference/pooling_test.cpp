#include <cfloat>
#include <limits>

#include "engines/reference/run.hpp"
#include "ops/spatial.hpp"

namespace crema::test {
namespace {

using List = std::vector<double>;

ops::Pooling make(ops::PoolMethod method, int64_t kernel, int64_t stride, int64_t pad,
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
  auto op = make(kMax, 2, 1, 0, 2, 2);
  op.mask = true;
  const auto y = forward(op, {x});
  EXPECT_EQ(y[0].v, (List{9, 6, 9, 8}));
  EXPECT_EQ(y[1].v, (List{3, 5, 3, 7}));
  const Values dy(Shape{1, 1, 2, 2}, {1, 10, 100, 1000});
  EXPECT_EQ(gradient(op, {x}, 0, 0, dy).v, (List{0, 0, 0, 101, 0, 10, 0, 1000, 0}));
}

TEST(Pooling, TheFirstOfEqualsWins) {
  const Values x(Shape{1, 1, 2, 3}, {1, 7, 7, 7, 7, 1});
  auto op = make(kMax, 3, 1, 0, 1, 1);
  op.kernel_h = 2, op.mask = true;
  EXPECT_EQ(forward(op, {x})[1].v, List{1});
  EXPECT_EQ(gradient(op, {x}, 0, 0, Values(Shape{1, 1, 1, 1}, {5})).v, (List{0, 5, 0, 0, 0, 0}));
}

TEST(Pooling, PaddingNeverWins) {
  const Values x(Shape{1, 1, 2, 2}, {-4, -3, -2, -1});
  EXPECT_EQ(forward(make(kMax, 2, 2, 1, 2, 2), {x})[0].v, (List{-4, -3, -2, -1}));
}

TEST(Pooling, NanNeverWinsAndAWindowOfThemHasNoWinner) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Values x(Shape{1, 1, 1, 4}, {nan, -5, nan, nan});
  auto op = make(kMax, 2, 2, 0, 1, 2);
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
    auto op = make(method, 1, 4, 0, 1, 2);
    OpRunner run(reference(), op, {x}, in(DType::kF64));
    EXPECT_EQ(run.forward()[0].v, (List{1, method == kMax ? -FLT_MAX : 0.0}));
    EXPECT_EQ(run.gradient(0, {Values(Shape{1, 1, 1, 2}, {5, 7})})[0]->v, (List{5, 0, 0, 0}));
  }
}

TEST(Pooling, TheAverageCountsPaddingButNotWhatLiesBeyond) {
  // Extent 3, pad 1, kernel 3, stride 2, 3 outputs (by ceil): the windows start at -1, 1, 3; their
  // lengths up to the border at 4 are 3, 3, 1.
  const Values x(Shape{1, 1, 3, 1}, {9, 18, 36});
  auto op = make(kAverage, 3, 2, 1, 3, 1);
  op.kernel_w = 1, op.pad_w = 0, op.stride_w = 1;
  EXPECT_EQ(forward(op, {x})[0].v, (List{9, 18, 0}));
  const Values y(Shape{1, 1, 2, 2}, {4, 8, 12, 16});
  // 4 x 4 with padding, kernel 3, stride 2: one corner window of 3 x 3, then 2 wide ones.
  EXPECT_EQ(forward(make(kAverage, 3, 2, 1, 2, 2), {y})[0].v,
            (List{40.0 / 9, 24.0 / 6, 28.0 / 6, 16.0 / 4}));
}

TEST(Pooling, Gradients) {
  const Shape x{2, 3, 5, 6};
  for (const auto method : {kMax, kAverage}) {
    check_all(make(method, 2, 2, 0, 3, 3), {distinct(x)});
    check_all(make(method, 3, 2, 1, 3, 4), {distinct(x)});
    auto op = make(method, 3, 1, 0, 3, 3);
    op.kernel_w = 2, op.stride_w = 3, op.pad_w = 1;  // asymmetric
    check_all(op, {distinct(x)});
    op.kernel_h = 5, op.kernel_w = 6, op.pad_w = 0, op.out_h = op.out_w = 1;  // global
    check_all(op, {distinct(x)});
  }
}

TEST(Pooling, TheMaskHasNoGradient) {
  auto op = make(kMax, 2, 2, 0, 2, 3);
  op.mask = true;
  check_all(op, {distinct(Shape{1, 2, 4, 6})});
}

TEST(Pooling, NoWorkspaceWithoutTraining) {
  const auto op = make(kMax, 2, 2, 0, 2, 2);
  RunOptions test;
  test.training = false;
  OpRunner run(reference(), op, {distinct(Shape{1, 1, 4, 4})}, test);
  EXPECT_EQ(run.forward_offer().workspace_bytes, 0u);
  EXPECT_EQ(run.forward()[0].v,
            OpRunner(reference(), op, {distinct(Shape{1, 1, 4, 4})}).forward()[0].v);
}

}  // namespace
}  // namespace crema::test
