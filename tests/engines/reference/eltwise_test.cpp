#include "engines/reference/run.hpp"
#include "ops/pointwise.hpp"

namespace crema::test {
namespace {

using List = std::vector<double>;

ops::Eltwise make_eltwise(ops::EltwiseMethod method, int sources,
                          std::vector<float> coefficients = {}) {
  ops::Eltwise op;
  op.method = method, op.sources = sources, op.coefficients = std::move(coefficients);
  return op;
}

// Neither zero nor equal anywhere.
std::vector<Values> some(int sources, const Shape& shape) {
  std::vector<Values> out;
  for (int s = 0; s < sources; ++s) {
    out.push_back(Values{shape});
    for (size_t i = 0; i < out.back().v.size(); ++i)
      out.back().v[i] = static_cast<double>((i * 7 + static_cast<size_t>(s) * 29) % 83) / 32 - 1.27;
  }
  return out;
}
const Shape kShape{2, 3, 60};  // more than one block

TEST(Eltwise, ByHand) {
  const std::vector<Values> x{Values(Shape{2}, {1, 2}), Values(Shape{2}, {3, 4}),
                              Values(Shape{2}, {5, -6})};
  EXPECT_EQ(forward(make_eltwise(ops::EltwiseMethod::kSum, 3, {1, -2, 0.5f}), x)[0].v,
            (List{-2.5, -9}));
  EXPECT_EQ(forward(make_eltwise(ops::EltwiseMethod::kProduct, 3), x)[0].v, (List{15, -48}));
  EXPECT_EQ(forward(make_eltwise(ops::EltwiseMethod::kMax, 3), x)[0].v, (List{5, 4}));
}

TEST(Eltwise, SumGradients) {
  check_all(make_eltwise(ops::EltwiseMethod::kSum, 2, {1, -1}), some(2, kShape));
  check_all(make_eltwise(ops::EltwiseMethod::kSum, 3, {1, 0, 0.5f}), some(3, kShape));
}

TEST(Eltwise, ProductGradients) {
  for (const bool stable : {true, false})
    for (const int sources : {2, 4}) {
      auto op = make_eltwise(ops::EltwiseMethod::kProduct, sources);
      op.stable_product_gradient = stable;
      check_all(op, some(sources, kShape));
    }
}

TEST(Eltwise, TheStableProductGradientSurvivesAZero) {
  const std::vector<Values> x{Values(Shape{1}, {0}), Values(Shape{1}, {3})};
  auto op = make_eltwise(ops::EltwiseMethod::kProduct, 2);
  EXPECT_EQ(gradient(op, x, 0, 0, Values(Shape{1}, {2})).v, List{6});
  op.stable_product_gradient = false;
  EXPECT_TRUE(std::isnan(gradient(op, x, 0, 0, Values(Shape{1}, {2})).v[0]));
}

TEST(Eltwise, MaximumGradients) {
  for (const int sources : {2, 4})
    check_all(make_eltwise(ops::EltwiseMethod::kMax, sources), some(sources, kShape));
}

TEST(Eltwise, TiesGoToTheSecondThenToTheEarlier) {
  // Columns: 0 = 1; 1 = 2; 0 = 2 > 1; all equal.
  const std::vector<Values> x{Values(Shape{4}, {5, 1, 5, 5}), Values(Shape{4}, {5, 5, 1, 5}),
                              Values(Shape{4}, {1, 5, 5, 5})};
  const auto op = make_eltwise(ops::EltwiseMethod::kMax, 3);
  const Values dy(Shape{4}, {1, 2, 3, 4});
  EXPECT_EQ(gradient(op, x, 0, 0, dy).v, (List{0, 0, 3, 0}));
  EXPECT_EQ(gradient(op, x, 1, 1, dy).v, (List{1, 2, 0, 4}));
  EXPECT_EQ(gradient(op, x, 2, 2, dy).v, (List{0, 0, 0, 0}));
}

// What a plan may do: dst 0 over src 0, even where src 1 is the same tensor.
TEST(Eltwise, InPlace) {
  std::vector<float> x(1000, 3.0f);
  const auto op = make_eltwise(ops::EltwiseMethod::kSum, 2, {1, 1});
  ops::KernelRequest request;
  request.op = &op;
  request.src = {{Shape{1000}, Layout{}, true}, {Shape{1000}, Layout{}, true}};
  request.dst = {{Shape{1000}, Layout{}, true}};
  ops::Answer answer = reference().offer(request);
  const void* src[] = {x.data(), x.data()};
  void* dst[] = {x.data()};
  ops::KernelArgs args;
  args.src = src, args.dst = dst;
  std::get<ops::Offer>(answer).kernel->run(args);
  EXPECT_EQ(x, std::vector<float>(1000, 6.0f));
}

TEST(Eltwise, CoefficientsMustMatchTheSources) {
  const auto op = make_eltwise(ops::EltwiseMethod::kSum, 2, {1});
  EXPECT_THROW(forward(op, some(2, Shape{3})), LogicError);
}

}  // namespace
}  // namespace crema::test
