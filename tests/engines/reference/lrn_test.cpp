#include "engines/reference/run.hpp"
#include "ops/spatial.hpp"

namespace crema::test {
namespace {

ops::Lrn make_lrn(bool within, int64_t size, float alpha, float beta, float k) {
  ops::Lrn op;
  op.within_channel = within, op.size = size, op.alpha = alpha, op.beta = beta, op.k = k;
  return op;
}

TEST(Lrn, AcrossChannelsByHand) {
  // alpha / size = 1; s = 2 + squares of the channel and its neighbours.
  const Values x(Shape{1, 3, 1, 1}, {1, 2, 3});
  const Values y = forward(make_lrn(false, 3, 3, 1, 2), {x})[0];
  EXPECT_TRUE(near(y, Values(x.shape, {1.0 / 7, 2.0 / 16, 3.0 / 15}), 1e-14));
}

TEST(Lrn, WithinChannelByHand) {
  // Divisor 9 whatever lies outside, k ignored: s = 1 + 9 * (sum / 9).
  const Values x(Shape{1, 1, 1, 4}, {1, 2, 3, 4});
  const Values y = forward(make_lrn(true, 3, 9, 1, 5), {x})[0];
  EXPECT_TRUE(near(y, Values(x.shape, {1.0 / 6, 2.0 / 15, 3.0 / 30, 4.0 / 26}), 1e-14));
}

TEST(Lrn, Gradients) {
  const std::vector<Values> x{random_values(Shape{2, 6, 3, 4}, 1, -2, 2)};
  check_all(make_lrn(false, 5, 0.7f, 0.75f, 1.5f), x);
  check_all(make_lrn(false, 1, 1, 0.5f, 1), x);
  check_all(make_lrn(false, 9, 0.5f, 0.75f, 1), x);  // wider than the channels on both sides
  check_all(make_lrn(true, 3, 0.7f, 0.75f, 1), x);
  check_all(make_lrn(true, 7, 2, 0.75f, 1), x);  // wider than the plane
}

TEST(Lrn, TheSameWithoutTraining) {
  for (const bool within : {false, true}) {
    const auto op = make_lrn(within, 3, 1, 0.75f, 1);
    const std::vector<Values> x{random_values(Shape{2, 4, 5, 5}, 1)};
    RunOptions test;
    test.training = false;
    OpRunner run(reference(), op, x, test);
    EXPECT_EQ(run.forward_offer().workspace_bytes, 0u);
    EXPECT_EQ(run.forward()[0].v, OpRunner(reference(), op, x).forward()[0].v);
  }
}

}  // namespace
}  // namespace crema::test
