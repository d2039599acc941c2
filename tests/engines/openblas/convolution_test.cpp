#include "base/parallel.hpp"
#include "engines/openblas/engine.hpp"
#include "engines/openblas/im2col.hpp"
#include "engines/reference/engine.hpp"
#include "support/convolution_case.hpp"
#include "support/op_runner.hpp"

namespace crema::test {
namespace {

constexpr double kTolerance = 1e-4;  // of the largest value: single against double precision

class OpenBlasConvolution : public ::testing::Test {
 protected:
  ~OpenBlasConvolution() override { start_compute_threads(threads_); }
  int threads_ = compute_threads();
  OpenBlasEngine engine{std::nullopt};
  ReferenceEngine reference;
};

using Case = ConvolutionCase;
constexpr auto op_of = convolution_op<ops::Convolution>;
constexpr auto inputs_of = convolution_sources<ops::Convolution>;

const Case kCases[] = {
    {{4, 1, 28, 28}, 20, {5, 5}, {1, 1}, {0, 0}, {1, 1}},
    {{3, 20, 12, 11}, 50, {5, 3}, {1, 2}, {0, 1}, {1, 1}},
    {{2, 3, 35, 33}, 16, {11, 11}, {4, 4}, {0, 0}, {1, 1}},
    {{5, 6, 7, 7}, 9, {1, 1}, {1, 1}, {0, 0}, {1, 1}},
    {{2, 6, 8, 8}, 9, {1, 1}, {2, 2}, {0, 0}, {1, 1}, 1, false},
    {{2, 4, 15, 15}, 6, {3, 3}, {1, 1}, {2, 2}, {2, 2}},
    {{2, 8, 9, 9}, 12, {5, 5}, {1, 1}, {2, 2}, {1, 1}, 4},
    {{2, 8, 9, 9}, 8, {3, 3}, {2, 2}, {1, 1}, {1, 1}, 8},
    {{2, 3, 21}, 4, {3}, {2}, {2}, {3}},
    {{2, 3, 5, 6, 7}, 4, {3, 2, 3}, {1, 2, 2}, {1, 0, 1}, {1, 1, 1}},
    {{1, 2, 3, 4, 3, 4}, 3, {2, 2, 2, 2}, {1, 1, 1, 1}, {0, 1, 0, 1}, {1, 1, 1, 2}},
    {{1, 2, 2, 2}, 3, {5, 5}, {1, 1}, {4, 4}, {1, 1}},      // windows wholly in the padding
    {{1, 20, 30, 30}, 16, {3, 3}, {1, 1}, {1, 1}, {1, 1}},  // fewer images than threads
    {{0, 3, 5, 5}, 4, {3, 3}, {1, 1}, {1, 1}, {1, 1}},
};

TEST_F(OpenBlasConvolution, convolution_equals_the_reference) {
  for (const Case& c : kCases) {
    const ops::Convolution op = op_of(c);
    SCOPED_TRACE(c.x.text() + " " + op.describe());
    EXPECT_EQ(expect_same(engine, reference, op, inputs_of(c), kTolerance), "");
  }
}

TEST_F(OpenBlasConvolution, same_bits_on_every_run_and_close_for_other_thread_counts) {
  const ops::Convolution op = op_of(kCases[1]);
  std::vector<Values> weights;
  for (const int threads : {1, 2, 2, 3}) {
    start_compute_threads(threads);
    OpRunner run(engine, op, inputs_of(kCases[1]));
    const auto y = run.forward();
    weights.push_back(*run.gradient(1, {random_values(y[0].shape, 5)})[1]);
  }
  EXPECT_EQ(weights[1].v, weights[2].v);
  EXPECT_TRUE(near(weights[0], weights[1], kTolerance));
  EXPECT_TRUE(near(weights[0], weights[3], kTolerance));
}

TEST_F(OpenBlasConvolution, a_kernel_planned_for_more_threads_gives_the_same_bits_on_fewer) {
  const ops::Convolution op = op_of(kCases[0]);
  start_compute_threads(2);
  OpRunner run(engine, op, inputs_of(kCases[0]));
  const auto y = run.forward();
  start_compute_threads(1);
  EXPECT_EQ(run.forward()[0].v, y[0].v);
}

TEST_F(OpenBlasConvolution, either_gradient_of_weights_and_bias_alone) {
  const ops::Convolution op = op_of(kCases[0]);
  OpRunner run(engine, op, inputs_of(kCases[0]));
  const auto y = run.forward();
  const auto both = run.gradient(1, {y[0]});
  EXPECT_EQ(run.gradient(1, {y[0]}, std::vector<int>{1})[1]->v, both[1]->v);
  EXPECT_EQ(run.gradient(1, {y[0]}, std::vector<int>{2})[2]->v, both[2]->v);
}

TEST_F(OpenBlasConvolution, refuses_no_spatial_axes) {
  const Case c{{2, 8}, 8, {}, {}, {}, {}};
  const ops::Convolution op = op_of(c);
  OpRunner run(engine, op, inputs_of(c));
  EXPECT_FALSE(run.accepts());
  EXPECT_EQ(run.refusal(), "no spatial axes");
}

// col2im is the transpose of im2col: <im2col(x), c> = <x, col2im(c)>, exactly on whole numbers.
TEST(Im2Col, col2im_is_its_transpose) {
  const openblas::Windows w{2, {{5, 3, 3, 2, 1, 1}, {6, 4, 2, 2, 1, 2}}};
  std::vector<float> x(static_cast<size_t>(2 * w.image_size()));
  std::vector<float> c(static_cast<size_t>(w.rows() * w.columns()));
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 7) - 3;
  for (size_t i = 0; i < c.size(); ++i) c[i] = static_cast<float>(i % 5) - 2;
  std::vector<float> columns(c.size(), -99), image(x.size(), 0);
  im2col(w, x.data(), 0, w.rows(), columns.data());
  col2im(w, c.data(), 0, w.channels, image.data());
  double left = 0, right = 0;
  for (size_t i = 0; i < c.size(); ++i) left += static_cast<double>(columns[i] * c[i]);
  for (size_t i = 0; i < x.size(); ++i) right += static_cast<double>(x[i] * image[i]);
  EXPECT_EQ(left, right);
  EXPECT_NE(left, 0);
}

}  // namespace
}  // namespace crema::test
