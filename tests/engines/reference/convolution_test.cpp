#include "engines/reference/run.hpp"
#include "ops/linear.hpp"

namespace crema::test {
namespace {

using Sizes = std::vector<int64_t>;

ops::Convolution make_convolution(Sizes kernel, Sizes stride, Sizes pad, Sizes dilation,
                                  int64_t groups = 1, bool bias = true) {
  ops::Convolution op;
  op.kernel = std::move(kernel), op.stride = std::move(stride), op.pad = std::move(pad);
  op.dilation = std::move(dilation), op.groups = groups, op.bias = bias;
  return op;
}

std::vector<Values> inputs_for(const ops::Convolution& op, const Shape& x, int64_t channels) {
  Shape w{channels, x[1] / op.groups};
  for (const int64_t k : op.kernel) w.append(k);
  std::vector<Values> out{random_values(x, 1), random_values(w, 2)};
  if (op.bias) out.push_back(random_values(Shape{channels}, 3));
  return out;
}

// The multi-index of i in shape's axes.
Sizes unravel(int64_t i, const Shape& shape) {
  Sizes at(static_cast<size_t>(shape.rank()));
  for (int a = shape.rank(); a-- > 0; i /= shape[a]) at[static_cast<size_t>(a)] = i % shape[a];
  return at;
}

// The definition, one output element at a time, over multi-indices.
double output_at(const ops::Convolution& op, const std::vector<Values>& in, const Sizes& y,
                 int64_t channels) {
  const Shape &xs = in[0].shape, &ws = in[1].shape;
  const int64_t group = y[1] / (channels / op.groups);
  double sum = op.bias ? in[2].v[static_cast<size_t>(y[1])] : 0;
  for (int64_t i = 0; i < ws.count(1); ++i) {
    const Sizes tap = unravel(i, ws.slice(1, ws.rank()));
    int64_t at = y[0] * xs[1] + group * ws[1] + tap[0];
    bool inside = true;
    for (size_t a = 0; a < op.kernel.size(); ++a) {
      const int64_t p = y[a + 2] * op.stride[a] - op.pad[a] + tap[a + 1] * op.dilation[a];
      const int64_t extent = xs[static_cast<int>(a) + 2];
      inside = inside && p >= 0 && p < extent;
      at = at * extent + p;
    }
    if (inside)
      sum +=
          in[0].v[static_cast<size_t>(at)] * in[1].v[static_cast<size_t>(y[1] * ws.count(1) + i)];
  }
  return sum;
}

void check(const ops::Convolution& op, const Shape& x, int64_t channels) {
  const std::vector<Values> inputs = inputs_for(op, x, channels);
  const Values y = forward(op, inputs)[0];
  Values expected{y.shape};
  for (size_t i = 0; i < expected.v.size(); ++i)
    expected.v[i] = output_at(op, inputs, unravel(static_cast<int64_t>(i), y.shape), channels);
  EXPECT_TRUE(near(y, expected, 1e-13));
  check_all(op, inputs);
}

TEST(Convolution, ByHand) {
  // Not flipped: the kernel's right column meets the right neighbour.
  const Values x(Shape{1, 1, 1, 3}, {1, 2, 3}), w(Shape{1, 1, 1, 2}, {10, 1}), b(Shape{1}, {100});
  const auto op = make_convolution({1, 2}, {1, 1}, {0, 1}, {1, 1});
  EXPECT_EQ(forward(op, {x, w, b})[0].v, (std::vector<double>{101, 112, 123, 130}));
  const Values dy(Shape{1, 1, 1, 4}, {1, 10, 100, 1000});
  EXPECT_EQ(gradient(op, {x, w, b}, 0, 0, dy).v, (std::vector<double>{101, 1010, 10100}));
  EXPECT_EQ(gradient(op, {x, w, b}, 1, 1, dy).v, (std::vector<double>{3210, 321}));
  EXPECT_EQ(gradient(op, {x, w, b}, 1, 2, dy).v, (std::vector<double>{1111}));
}

TEST(Convolution, TwoAxes) {
  check(make_convolution({3, 3}, {1, 1}, {1, 1}, {1, 1}), Shape{2, 3, 5, 6}, 4);
}
TEST(Convolution, StridesThatLeaveARest) {
  check(make_convolution({3, 2}, {2, 3}, {1, 0}, {1, 1}), Shape{2, 2, 6, 9}, 3);
}
TEST(Convolution, AsymmetricKernelAndPadding) {
  check(make_convolution({1, 5}, {1, 2}, {0, 2}, {1, 1}), Shape{1, 2, 3, 7}, 2);
}
TEST(Convolution, Dilation) {
  check(make_convolution({3, 2}, {1, 2}, {2, 1}, {2, 3}), Shape{2, 2, 7, 8}, 3);
}
TEST(Convolution, Groups) {
  check(make_convolution({2, 2}, {1, 1}, {0, 1}, {1, 1}, 2), Shape{2, 4, 4, 4}, 6);
}
TEST(Convolution, OneGroupPerChannel) {
  check(make_convolution({3, 3}, {2, 1}, {1, 1}, {1, 1}, 4), Shape{2, 4, 5, 4}, 4);
}
TEST(Convolution, NoBias) {
  check(make_convolution({2, 2}, {1, 1}, {0, 0}, {1, 1}, 1, false), Shape{2, 2, 3, 3}, 2);
}
TEST(Convolution, NoSpatialAxes) {
  check(make_convolution({}, {}, {}, {}, 2), Shape{3, 4}, 2);
}
TEST(Convolution, OneSpatialAxis) {
  check(make_convolution({3}, {2}, {2}, {2}), Shape{2, 3, 7}, 2);
}
TEST(Convolution, ThreeSpatialAxes) {
  check(make_convolution({2, 1, 3}, {1, 2, 1}, {1, 0, 1}, {1, 1, 2}, 2), Shape{2, 2, 3, 4, 5}, 4);
}
TEST(Convolution, PaddingWiderThanTheImage) {
  check(make_convolution({2, 2}, {1, 1}, {3, 4}, {1, 2}), Shape{1, 1, 2, 2}, 2);
}
TEST(Convolution, LargeEnoughForSeveralThreads) {
  const auto op = make_convolution({3, 3}, {1, 1}, {1, 1}, {1, 1});
  EXPECT_EQ(expect_same(reference(), reference(), op, inputs_for(op, Shape{2, 4, 20, 24}, 6)), "");
}

TEST(Convolution, EitherWeightGradientAlone) {
  const auto op = make_convolution({2, 2}, {1, 1}, {0, 0}, {1, 1});
  const auto inputs = inputs_for(op, Shape{2, 2, 3, 3}, 2);
  OpRunner run(reference(), op, inputs, in(DType::kF64));
  const Values dy = random_values(run.forward()[0].shape, 9);
  const auto both = run.gradient(1, {dy});
  for (const int source : {1, 2}) {
    const auto one = run.gradient(1, {dy}, std::vector<int>{source});
    EXPECT_FALSE(one[static_cast<size_t>(3 - source)].has_value());
    EXPECT_EQ(one[static_cast<size_t>(source)]->v, both[static_cast<size_t>(source)]->v);
  }
}

TEST(Convolution, EmptyBatch) {
  const auto op = make_convolution({2, 2}, {1, 1}, {0, 0}, {1, 1});
  const auto inputs = inputs_for(op, Shape{0, 2, 3, 3}, 2);
  OpRunner run(reference(), op, inputs);
  EXPECT_TRUE(run.forward()[0].v.empty());
  const auto got = run.gradient(1, {Values{Shape{0, 2, 2, 2}}});
  EXPECT_EQ(got[1]->v, std::vector<double>(16, 0.0));
  EXPECT_EQ(got[2]->v, std::vector<double>(2, 0.0));
}

}  // namespace
}  // namespace crema::test
