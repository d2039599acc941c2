#include "base/parallel.hpp"
#include "engines/openblas/engine.hpp"
#include "engines/reference/engine.hpp"
#include "support/convolution_case.hpp"
#include "support/op_runner.hpp"

namespace crema::test {
namespace {

constexpr double kTolerance = 1e-4;  // of the largest value: single against double precision

class OpenBlasDeconvolution : public ::testing::Test {
 protected:
  ~OpenBlasDeconvolution() override { start_compute_threads(threads_); }
  int threads_ = compute_threads();
  OpenBlasEngine engine{std::nullopt};
  ReferenceEngine reference;
};

using Case = ConvolutionCase;
constexpr auto op_of = convolution_op<ops::Deconvolution>;
constexpr auto inputs_of = convolution_sources<ops::Deconvolution>;

const Case kCases[] = {
    {{4, 5, 7, 6}, 3, {4, 4}, {2, 2}, {1, 1}, {1, 1}},
    {{3, 6, 5, 5}, 9, {1, 1}, {1, 1}, {0, 0}, {1, 1}},  // the columns are the image itself
    {{2, 6, 5, 5}, 9, {1, 1}, {1, 1}, {0, 0}, {1, 1}, 3, false},
    {{2, 6, 8, 8}, 9, {3, 2}, {1, 3}, {1, 0}, {2, 1}, 3},
    {{2, 8, 9, 9}, 8, {4, 4}, {2, 2}, {1, 1}, {1, 1}, 8, false},
    {{2, 3, 21}, 4, {3}, {2}, {2}, {3}},
    {{2, 3, 3, 4, 2}, 4, {3, 2, 3}, {1, 2, 2}, {1, 0, 1}, {1, 1, 1}},
    {{1, 20, 20, 20}, 16, {3, 3}, {1, 1}, {1, 1}, {1, 1}},  // fewer images than threads
    {{0, 3, 5, 5}, 4, {3, 3}, {1, 1}, {1, 1}, {1, 1}},
};

TEST_F(OpenBlasDeconvolution, deconvolution_equals_the_reference) {
  for (const Case& c : kCases) {
    const ops::Deconvolution op = op_of(c);
    SCOPED_TRACE(c.x.text() + " " + op.describe());
    EXPECT_EQ(expect_same(engine, reference, op, inputs_of(c), kTolerance), "");
  }
}

TEST_F(OpenBlasDeconvolution, a_kernel_planned_for_more_threads_gives_the_same_bits_on_fewer) {
  const ops::Deconvolution op = op_of(kCases[0]);
  start_compute_threads(2);
  OpRunner run(engine, op, inputs_of(kCases[0]));
  const auto y = run.forward();
  start_compute_threads(1);
  EXPECT_EQ(run.forward()[0].v, y[0].v);
}

TEST_F(OpenBlasDeconvolution, either_gradient_of_weights_and_bias_alone) {
  const ops::Deconvolution op = op_of(kCases[0]);
  OpRunner run(engine, op, inputs_of(kCases[0]));
  const auto y = run.forward();
  const auto both = run.gradient(1, {y[0]});
  EXPECT_EQ(run.gradient(1, {y[0]}, std::vector<int>{1})[1]->v, both[1]->v);
  EXPECT_EQ(run.gradient(1, {y[0]}, std::vector<int>{2})[2]->v, both[2]->v);
}

TEST_F(OpenBlasDeconvolution, refuses_no_spatial_axes) {
  const Case c{{2, 8}, 8, {}, {}, {}, {}};
  const ops::Deconvolution op = op_of(c);
  OpRunner run(engine, op, inputs_of(c));
  EXPECT_FALSE(run.accepts());
  EXPECT_EQ(run.refusal(), "no spatial axes");
}

}  // namespace
}  // namespace crema::test
