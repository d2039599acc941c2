#include "engines/openblas/engine.hpp"
#include "engines/reference/engine.hpp"
#include "ops/linear.hpp"
#include "support/op_runner.hpp"

namespace crema::test {
namespace {

TEST(OpenBlasWeightGradientSum, weight_gradient_sum_equals_the_reference) {
  OpenBlasEngine engine{std::nullopt};
  ReferenceEngine reference;
  for (const bool transpose : {false, true})
    for (const int uses : {1, 2, 7}) {
      ops::WeightGradientSum op;
      op.transpose = transpose;
      op.weight = transpose ? Shape{30, 20} : Shape{20, 30};
      std::vector<Values> inputs;
      for (int use = 0; use < uses; ++use) {
        const int64_t rows = use == 1 ? 0 : 3 + use;  // a use may have no rows
        inputs.push_back(random_values(Shape{rows, 30}, 2 * use));
        inputs.push_back(random_values(Shape{rows, 20}, 2 * use + 1));
      }
      EXPECT_EQ(expect_same(engine, reference, op, inputs, 1e-4), "") << uses;
    }
}

TEST(OpenBlasWeightGradientSum, refuses_more_rows_than_blas_counts) {
  OpenBlasEngine engine{std::nullopt};
  ops::WeightGradientSum op;
  op.weight = Shape{3, 2};
  ops::KernelRequest request;
  request.op = &op;
  const int64_t many = int64_t{1} << 31;
  request.src = {{{many, 2}, Layout(), true}, {{many, 3}, Layout(), true}};
  request.dst = {{{3, 2}, std::nullopt, true}};
  EXPECT_EQ(std::get<ops::Refusal>(engine.offer(request)).reason,
            "a matrix has more rows or columns than 32 bits count");
}

}  // namespace
}  // namespace crema::test
