#include "engines/reference/run.hpp"
#include "ops/statistics.hpp"

namespace crema::test {
namespace {

using List = std::vector<double>;

ops::BatchNorm make_batch_norm(bool use_global, float eps = 1e-5f, float fraction = 0.5f) {
  ops::BatchNorm op;
  op.use_global = use_global, op.eps = eps, op.fraction = fraction;
  return op;
}

std::vector<Values> with_statistics(Values x) {
  const Shape c{x.shape[1]};
  return {std::move(x), random_values(c, 2), random_values(c, 3, 0.5, 2), Values(Shape{1}, {2})};
}

TEST(BatchNorm, ByHand) {
  // Channel 0: 1, 3 (mean 2, variance 1); channel 1: 10, 30 (mean 20, variance 100).
  const Values x(Shape{2, 2}, {1, 10, 3, 30});
  const auto op = make_batch_norm(false, 0);
  OpRunner run(reference(), op,
               {x, Values(Shape{2}, {4, 40}), Values(Shape{2}, {8, 80}), Values(Shape{1}, {3})},
               in(DType::kF64));
  EXPECT_EQ(run.forward()[0].v, (List{-1, -1, 1, 1}));
  EXPECT_EQ(run.source(1).v, (List{2 + 2, 20 + 20}));
  EXPECT_EQ(run.source(2).v, (List{4 + 2, 40 + 200}));  // m / (m - 1) = 2
  EXPECT_EQ(run.source(3).v, (List{1.5 + 1}));
}

TEST(BatchNorm, GlobalStatisticsAreSumsOverTheFactor) {
  const Values x(Shape{1, 2, 2}, {1, 3, 10, 30});
  const auto op = make_batch_norm(true, 0);
  const std::vector<Values> inputs{x, Values(Shape{2}, {4, 40}), Values(Shape{2}, {16, 400}),
                                   Values(Shape{1}, {4})};
  OpRunner run(reference(), op, inputs, in(DType::kF64));
  EXPECT_EQ(run.forward()[0].v, (List{0, 1, 0, 2}));
  for (const int i : {1, 2, 3}) EXPECT_EQ(run.source(i).v, inputs[static_cast<size_t>(i)].v);
}

TEST(BatchNorm, AFactorOfZeroMeansNoStatistics) {
  const Values x(Shape{1, 1, 2}, {1, 3});
  const auto op = make_batch_norm(true, 0.25f);
  const Values y =
      forward(op, {x, Values(Shape{1}, {4}), Values(Shape{1}, {9}), Values(Shape{1}, {0})})[0];
  EXPECT_EQ(y.v, (List{2, 6}));
}

TEST(BatchNorm, OneElementPerChannel) {
  // Variance 0, and the factor m / (m - 1) is 1.
  const auto op = make_batch_norm(false, 0.25f);
  OpRunner run(reference(), op, with_statistics(Values(Shape{1, 2}, {5, -7})), in(DType::kF64));
  EXPECT_EQ(run.forward()[0].v, (List{0, 0}));
  EXPECT_EQ(run.source(3).v, List{2});
  EXPECT_EQ(run.gradient(0, {Values(Shape{1, 2}, {3, 4})})[0]->v, (List{0, 0}));
}

TEST(BatchNorm, Gradients) {
  for (const bool use_global : {false, true})
    for (const Shape& shape : {Shape{5, 3}, Shape{3, 2, 7}, Shape{2, 3, 4, 5}, Shape{1, 2, 3, 2}})
      check_all(make_batch_norm(use_global), with_statistics(random_values(shape, 1, -2, 3)));
}

TEST(BatchNorm, TwoPassesDoNotCancel) {
  Values x = random_values(Shape{4, 2, 10, 10}, 1);
  for (double& v : x.v) v += 1000;
  const auto op = make_batch_norm(false);
  const Values y = OpRunner(reference(), op, with_statistics(x)).forward()[0];
  for (int64_t c = 0; c < 2; ++c) {
    double sum = 0, squares = 0;
    for (int64_t n = 0; n < 4; ++n)
      for (int64_t i = 0; i < 100; ++i) {
        const double v = y.v[static_cast<size_t>((n * 2 + c) * 100 + i)];
        sum += v, squares += v * v;
      }
    EXPECT_NEAR(sum / 400, 0, 1e-3);  // the mean is stored to a part in 10^7 of 1000
    EXPECT_NEAR(squares / 400, 1, 1e-3);
  }
}

TEST(BatchNorm, StatisticsThatMayNotBeWrittenAreLeftAlone) {
  const auto op = make_batch_norm(false);
  ops::KernelRequest request;
  request.op = &op;
  request.src = {{Shape{2, 1}, Layout{}, true},
                 {Shape{1}, Layout{}, true},
                 {Shape{1}, Layout{}, true},
                 {Shape{1}, Layout{}, true}};
  request.dst = {{Shape{2, 1}, Layout{}, true}};
  ops::Answer answer = reference().offer(request);
  const float x[] = {1, 3}, mean = 1, variance = 2, factor = 3;
  float y[2];
  const void* src[] = {x, &mean, &variance, &factor};
  void *dst[] = {y}, *mutated[] = {nullptr, nullptr, nullptr, nullptr};
  ops::KernelArgs args;
  args.src = src, args.dst = dst, args.mutated = mutated;
  std::get<ops::Offer>(answer).kernel->run(args);
  EXPECT_NEAR(y[0], -1, 1e-4);
  EXPECT_NEAR(y[1], 1, 1e-4);
}

}  // namespace
}  // namespace crema::test
