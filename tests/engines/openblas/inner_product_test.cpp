#include "engines/openblas/engine.hpp"
#include "engines/reference/engine.hpp"
#include "ops/linear.hpp"
#include "support/op_runner.hpp"

namespace crema::test {
namespace {

constexpr double kTolerance = 1e-4;  // of the largest value: single against double precision

class OpenBlasInnerProduct : public ::testing::Test {
 protected:
  OpenBlasEngine engine{std::nullopt};
  ReferenceEngine reference;
};

std::vector<Values> inputs_of(const ops::InnerProduct& op, const Shape& x, int64_t outputs) {
  const int64_t k = x.count(op.axis);
  std::vector<Values> inputs = {
      random_values(x, 1), random_values(op.transpose ? Shape{k, outputs} : Shape{outputs, k}, 2)};
  if (op.bias) inputs.push_back(random_values(Shape{outputs}, 3));
  return inputs;
}

TEST_F(OpenBlasInnerProduct, inner_product_equals_the_reference) {
  for (const bool transpose : {false, true})
    for (const bool bias : {false, true})
      for (const auto& [x, outputs, axis] : {std::tuple(Shape{64, 500}, 10, 1),
                                             {Shape{7, 3, 5, 2}, 13, 1},
                                             {Shape{4, 6, 20}, 17, 2},
                                             {Shape{1, 12}, 1, 1},
                                             {Shape{5, 3}, 4, 0},
                                             {Shape{0, 3}, 4, 1},
                                             {Shape{3, 0}, 4, 1}}) {
        ops::InnerProduct op;
        op.axis = axis;
        op.transpose = transpose;
        op.bias = bias;
        SCOPED_TRACE(x.text() + (transpose ? " transposed" : ""));
        EXPECT_EQ(expect_same(engine, reference, op, inputs_of(op, x, outputs), kTolerance), "");
      }
}

TEST_F(OpenBlasInnerProduct, same_bits_on_every_run) {
  const ops::InnerProduct op;
  OpRunner a(engine, op, inputs_of(op, {64, 800}, 500)),
      b(engine, op, inputs_of(op, {64, 800}, 500));
  const auto y = a.forward();
  EXPECT_EQ(y[0].v, b.forward()[0].v);
  EXPECT_EQ(a.gradient(1, {y[0]})[1]->v, b.gradient(1, {y[0]})[1]->v);
}

TEST_F(OpenBlasInnerProduct, bias_alone) {
  const ops::InnerProduct op;
  OpRunner run(engine, op, inputs_of(op, {6, 8}, 5));
  const auto y = run.forward();
  EXPECT_EQ(run.gradient(1, {y[0]}, std::vector<int>{2})[2]->v, run.gradient(1, {y[0]})[2]->v);
}

TEST_F(OpenBlasInnerProduct, refuses_more_rows_than_blas_counts) {
  const ops::InnerProduct op;
  ops::KernelRequest request;
  request.op = &op;
  const int64_t many = int64_t{1} << 31;
  request.src = {{{many, 2}, Layout(), true}, {{3, 2}, std::nullopt, true}, {{3}, Layout(), true}};
  request.dst = {{{many, 3}, std::nullopt, true}};
  EXPECT_EQ(std::get<ops::Refusal>(engine.offer(request)).reason,
            "a matrix has more rows or columns than 32 bits count");
}

}  // namespace
}  // namespace crema::test
