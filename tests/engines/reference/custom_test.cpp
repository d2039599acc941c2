#include "ops/custom.hpp"

#include "engines/reference/run.hpp"

namespace crema::test {
namespace {

// y = a^2 b: gradients for a and b, from the sources and, to see that it is there, y.
template <class T>
void square_times(ops::CustomArgs<T>& args) {
  for (size_t i = 0; i < args.dst[0].size(); ++i)
    args.dst[0][i] = args.src[0][i] * args.src[0][i] * args.src[1][i];
}
template <class T>
void square_times_gradient(ops::CustomArgs<T>& args) {
  for (size_t i = 0; i < args.diff_dst[0].size(); ++i) {
    const T g = args.diff_dst[0][i], a = args.src[0][i], b = args.src[1][i];
    if (!args.diff_src[0].empty()) args.diff_src[0][i] = 2 * g * a * b;
    if (!args.diff_src[1].empty()) args.diff_src[1][i] = g * args.dst[0][i] / b;
  }
}

ops::Custom make_custom() {
  ops::Custom op;
  op.name = "square_times";
  op.shapes = [](std::span<const Shape> src) { return std::vector<Shape>{src[0]}; };
  op.parts = {{{0, 1}, {0, 1}, {0}}};
  op.forward32 = square_times<float>, op.backward32 = square_times_gradient<float>;
  op.forward64 = square_times<double>, op.backward64 = square_times_gradient<double>;
  return op;
}

std::vector<Values> inputs() {
  return {random_values(Shape{3, 4}, 1), random_values(Shape{3, 4}, 2, 0.5, 2)};
}

TEST(Custom, ForwardAndGradients) {
  check_all(make_custom(), inputs());
}

TEST(Custom, AnUnwantedGradientIsAnEmptySpan) {
  const ops::Custom op = make_custom();
  OpRunner run(reference(), op, inputs());
  run.forward();
  const auto both = run.gradient(0, {Values(Shape{3, 4}, 1.0)});
  const auto one = run.gradient(0, {Values(Shape{3, 4}, 1.0)}, std::vector<int>{1});
  EXPECT_FALSE(one[0].has_value());
  EXPECT_EQ(one[1]->v, both[1]->v);
}

TEST(Custom, SeesTheStep) {
  ops::Custom op = make_custom();
  op.forward32 = [](ops::CustomArgs<float>& args) {
    std::fill(args.dst[0].begin(), args.dst[0].end(), static_cast<float>(args.step.pass));
  };
  RunOptions options;
  options.step.pass = 42;
  EXPECT_EQ(OpRunner(reference(), op, inputs(), options).forward()[0].v,
            std::vector<double>(12, 42.0));
}

TEST(Custom, AMissingFunctionIsARefusal) {
  ops::Custom op = make_custom();
  op.forward64 = nullptr, op.backward32 = nullptr;
  OpRunner exact(reference(), op, inputs(), in(DType::kF64));
  EXPECT_FALSE(exact.accepts());
  EXPECT_EQ(exact.refusal(), "square_times has no forward function for f64");
  OpRunner fast(reference(), op, inputs());
  EXPECT_FALSE(fast.accepts_gradient(0));
  EXPECT_EQ(fast.refusal(), "square_times has no backward function for f32");
}

}  // namespace
}  // namespace crema::test
