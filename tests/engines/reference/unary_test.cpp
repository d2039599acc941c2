#include <limits>

#include "engines/reference/run.hpp"
#include "ops/pointwise.hpp"

namespace crema::test {
namespace {

using List = std::vector<double>;
constexpr double kInf = std::numeric_limits<double>::infinity();

ops::Unary make_unary(ops::Function function, double p = 0, double q = 0, double r = 0) {
  ops::Unary op;
  op.function = function, op.p = p, op.q = q, op.r = r;
  return op;
}
constexpr auto kRelu = ops::Function::kRelu;
constexpr auto kPower = ops::Function::kPower;

List apply(const ops::Unary& op, const List& x) {
  return forward(op, {Values(Shape{static_cast<int64_t>(x.size())}, x)})[0].v;
}
List slopes(const ops::Unary& op, const List& x) {
  const Shape shape{static_cast<int64_t>(x.size())};
  return gradient(op, {Values(shape, x)}, 0, 0, Values(shape, 1.0)).v;
}

// Away from 0 by more than a difference quotient's step.
Values off_zero() {
  Values x = random_values(Shape{3, 4, 5}, 1, 0.1, 2);
  for (size_t i = 0; i < x.v.size(); i += 2) x.v[i] = -x.v[i];
  return x;
}

TEST(Unary, ReluByHand) {
  EXPECT_EQ(apply(make_unary(kRelu), {-2, 0, 3, -kInf, kInf}), (List{0, 0, 3, 0, kInf}));
  EXPECT_EQ(apply(make_unary(kRelu, 0.5), {-2, 0, 3}), (List{-1, 0, 3}));
  EXPECT_EQ(apply(make_unary(kRelu, -0.5), {-2, 0, 3}), (List{1, 0, 3}));
  EXPECT_TRUE(std::isnan(apply(make_unary(kRelu), {std::nan("")})[0]));
  EXPECT_TRUE(std::isnan(apply(make_unary(kRelu, 0.5), {std::nan("")})[0]));
}

TEST(Unary, ReluAtZeroTakesTheSlope) {
  for (const double slope : {0.0, 0.25, -0.25})
    EXPECT_EQ(slopes(make_unary(kRelu, slope), {-1, 0, 1}), (List{slope, slope, 1}));
}

TEST(Unary, ReluGradients) {
  for (const double slope : {0.0, 0.25, -0.25}) check_all(make_unary(kRelu, slope), {off_zero()});
}

TEST(Unary, SigmoidAndTanh) {
  EXPECT_EQ(apply(make_unary(ops::Function::kSigmoid), {0, -1000, 1000}), (List{0.5, 0, 1}));
  EXPECT_NEAR(apply(make_unary(ops::Function::kSigmoid), {std::log(3.0)})[0], 0.75, 1e-15);
  EXPECT_NEAR(apply(make_unary(ops::Function::kTanh), {std::log(2.0)})[0], 0.6, 1e-15);
  check_all(make_unary(ops::Function::kSigmoid), {off_zero()});
  check_all(make_unary(ops::Function::kTanh), {off_zero()});
}

TEST(Unary, PowerByHand) {
  EXPECT_EQ(apply(make_unary(kPower, 2, 3, 1), {1, -1}), (List{16, 4}));
  EXPECT_EQ(apply(make_unary(kPower, 1, 3, 1), {1, -1}), (List{4, -2}));
  EXPECT_EQ(apply(make_unary(kPower, -1, 2, 0), {1, -4}), (List{0.5, -0.125}));
  EXPECT_EQ(slopes(make_unary(kPower, 3, 1, 0), {0, 2}), (List{0, 12}));  // finite at 0
}

TEST(Unary, PowerOfNothingIsConstant) {
  EXPECT_EQ(apply(make_unary(kPower, 0, 2, -7), {1, 3.5}), (List{1, 1}));
  EXPECT_EQ(apply(make_unary(kPower, 3, 0, 2), {1, -kInf}), (List{8, 8}));
  EXPECT_EQ(slopes(make_unary(kPower, 0, 2, 1), {1, -0.5}), (List{0, 0}));
  EXPECT_EQ(slopes(make_unary(kPower, 3, 0, 2), {1, 2}), (List{0, 0}));
}

TEST(Unary, PowerGradients) {
  for (const double p : {1.0, 2.0, 3.0, -2.0, 0.0})
    check_all(make_unary(kPower, p, 0.5, 0), {off_zero()});
  check_all(make_unary(kPower, 2.5, 0.5, 3), {off_zero()});
  check_all(make_unary(kPower, 2, 0.5, -3), {off_zero()});
}

}  // namespace
}  // namespace crema::test
