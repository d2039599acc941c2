#include "engines/reference/run.hpp"
#include "ops/pointwise.hpp"

namespace crema::test {
namespace {

using List = std::vector<double>;
const ops::PRelu kOp;

TEST(PRelu, ByHand) {
  const std::vector<Values> x{Values(Shape{2, 2, 2}, {1, -2, -3, 4, -5, 0, 7, -8}),
                              Values(Shape{2}, {0.5, -1})};
  EXPECT_EQ(forward(kOp, x)[0].v, (List{1, -1, 3, 4, -2.5, 0, 7, 8}));
  const Values dy(Shape{2, 2, 2}, {1, 10, 100, 1000, 1, 10, 100, 1000});
  EXPECT_EQ(gradient(kOp, x, 0, 0, dy).v, (List{1, 5, -100, 1000, 0.5, 5, 100, -1000}));
  EXPECT_EQ(gradient(kOp, x, 0, 1, dy).v, (List{-20 - 5, -300 - 8000}));
}

TEST(PRelu, OneSlopeForAll) {
  const std::vector<Values> x{Values(Shape{1, 2, 2}, {1, -2, -3, 4}), Values(Shape{}, {0.5})};
  EXPECT_EQ(forward(kOp, x)[0].v, (List{1, -1, -1.5, 4}));
  EXPECT_EQ(gradient(kOp, x, 0, 1, Values(Shape{1, 2, 2}, 1.0)).v, List{-5});
}

TEST(PRelu, Gradients) {
  // Nothing near the kink at 0.
  const auto away = [](const Shape& shape) {
    Values x = random_values(shape, 1);
    for (double& v : x.v) v += v > 0 ? 0.125 : -0.125;
    return x;
  };
  for (const Shape& x : {Shape{2, 3, 2, 2}, Shape{3, 4}, Shape{2, 3, 5}, Shape{2, 1, 3}}) {
    check_all(kOp, {away(x), random_values(Shape{x[1]}, 2)});
    check_all(kOp, {away(x), random_values(Shape{}, 2)});
  }
}

TEST(PRelu, LargeEnoughForSeveralThreads) {
  for (const Shape& x : {Shape{3, 40, 16, 17}, Shape{300, 70}, Shape{2, 3, 9000}})
    for (const bool shared : {false, true})
      EXPECT_EQ(expect_same(reference(), reference(), kOp,
                            {random_values(x, 1), random_values(shared ? Shape{} : Shape{x[1]}, 2)},
                            1e-4),
                "");
}

TEST(PRelu, EitherGradientAlone) {
  OpRunner run(reference(), kOp, {random_values(Shape{2, 3, 4}, 1), random_values(Shape{3}, 2)},
               in(DType::kF64));
  const Values dy = random_values(run.forward()[0].shape, 3);
  const auto both = run.gradient(0, {dy});
  for (const int source : {0, 1}) {
    const auto one = run.gradient(0, {dy}, std::vector<int>{source});
    EXPECT_EQ(one[static_cast<size_t>(source)]->v, both[static_cast<size_t>(source)]->v);
    EXPECT_FALSE(one[static_cast<size_t>(1 - source)].has_value());
  }
}

}  // namespace
}  // namespace crema::test
