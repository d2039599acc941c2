#include "blocked.hpp"
#include "ops/spatial.hpp"

namespace crema::test {
namespace {

using Pooling = OneDnn;
using ops::PoolMethod;

struct Size {
  int64_t in_h, in_w, kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, out_h, out_w;
};

ops::Pooling op_of(PoolMethod method, const Size& s) {
  ops::Pooling op;
  op.method = method;
  op.kernel_h = s.kernel_h, op.kernel_w = s.kernel_w;
  op.stride_h = s.stride_h, op.stride_w = s.stride_w;
  op.pad_h = s.pad_h, op.pad_w = s.pad_w;
  op.out_h = s.out_h, op.out_w = s.out_w;
  return op;
}

// Exact fit, ceil overflow, floor remainder, padding, global.
const Size kSizes[] = {
    {8, 8, 2, 2, 2, 2, 0, 0, 4, 4},   {13, 13, 3, 3, 2, 2, 0, 0, 6, 6},
    {14, 12, 3, 3, 2, 2, 0, 0, 7, 6}, {14, 12, 3, 2, 2, 3, 0, 0, 6, 4},
    {7, 9, 3, 3, 1, 1, 1, 1, 7, 9},   {7, 5, 7, 5, 1, 1, 0, 0, 1, 1},
};
// Windows that cross the padded border: oneDNN's averages differ.
const Size kCrossing[] = {{8, 8, 3, 3, 2, 2, 1, 1, 5, 5}, {9, 8, 3, 3, 2, 2, 0, 1, 4, 5}};

TEST_F(Pooling, pooling_equals_the_reference) {
  for (const PoolMethod method : {PoolMethod::kMax, PoolMethod::kAverage})
    for (const Size& size : kSizes)
      for (const int64_t channels : {3, 16, 20}) {
        const ops::Pooling op = op_of(method, size);
        SCOPED_TRACE(op.describe() + " " + std::to_string(channels));
        const std::vector<Values> x = {random_values({2, channels, size.in_h, size.in_w}, 1)};
        EXPECT_EQ(expect_same(engine, reference, op, x, kTolerance), "");
        EXPECT_EQ(expect_same(engine, reference, op, x, kTolerance, blocked_sources(x)), "");
      }
}

TEST_F(Pooling, maxima_over_windows_that_cross_the_border) {
  for (const Size& size : kCrossing) {
    const std::vector<Values> x = {random_values({2, 16, size.in_h, size.in_w}, 1, -2, -1)};
    const ops::Pooling op = op_of(PoolMethod::kMax, size);
    EXPECT_EQ(expect_same(engine, reference, op, x, kTolerance, blocked_sources(x)), "");
  }
}

TEST_F(Pooling, the_first_of_equal_maxima_gets_the_gradient) {
  for (const bool as_blocks : {false, true}) {
    const std::vector<Values> x = {random_labels({2, 16, 9, 9}, 1, 3)};
    const ops::Pooling op = op_of(PoolMethod::kMax, {9, 9, 3, 3, 2, 2, 0, 0, 4, 4});
    EXPECT_EQ(expect_same(engine, reference, op, x, kTolerance,
                          as_blocks ? blocked_sources(x) : RunOptions{}),
              "");
  }
}

TEST_F(Pooling, test_net_keeps_no_positions) {
  for (const Size& size : kSizes) {
    const std::vector<Values> x = {random_values({2, 20, size.in_h, size.in_w}, 1)};
    RunOptions options = blocked_sources(x);
    options.training = false;
    expect_same(engine, reference, op_of(PoolMethod::kMax, size), x, kTolerance, options);
  }
}

TEST_F(Pooling, keeps_the_layout) {
  const std::vector<Values> x = {random_values({2, 16, 8, 8}, 1)};
  const ops::Pooling op = op_of(PoolMethod::kMax, kSizes[0]);
  OpRunner run(engine, op, x, blocked_sources(x));
  EXPECT_EQ(run.forward_offer().src[0], blocked(x[0].shape));
  EXPECT_EQ(run.forward_offer().dst[0], blocked({2, 16, 4, 4}));
  EXPECT_GT(run.forward_offer().workspace_bytes, 0u);
  RunOptions test = blocked_sources(x);
  test.training = false;
  OpRunner plain(engine, op, x, test);
  EXPECT_EQ(plain.forward_offer().workspace_bytes, 0u);
}

TEST_F(Pooling, refuses_where_the_windows_differ_from_caffe) {
  const auto reason = [&](const ops::Pooling& op, const Shape& shape) {
    OpRunner run(engine, op, {random_values(shape, 1)});
    EXPECT_FALSE(run.accepts());
    return run.refusal();
  };
  for (const Size& size : kCrossing)
    EXPECT_EQ(reason(op_of(PoolMethod::kAverage, size), {1, 8, size.in_h, size.in_w}),
              "an average over a window that crosses the padded border has another divisor");
  ops::Pooling mask = op_of(PoolMethod::kMax, kSizes[0]);
  mask.mask = true;
  EXPECT_EQ(reason(mask, {1, 8, 8, 8}), "oneDNN gives no positions of the maxima");
  EXPECT_EQ(reason(op_of(PoolMethod::kMax, {5, 5, 1, 1, 5, 5, 0, 0, 2, 2}), {1, 8, 5, 5}),
            "a window lies entirely outside the image");
}

}  // namespace
}  // namespace crema::test
