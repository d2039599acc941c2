#include "blocked.hpp"
#include "support/convolution_case.hpp"

namespace crema::test {
namespace {

using Deconvolution = OneDnn;

using Case = ConvolutionCase;
constexpr auto op_of = convolution_op<ops::Deconvolution>;
constexpr auto inputs_of = convolution_sources<ops::Deconvolution>;

RunOptions undecided_weights(RunOptions options) {
  if (options.src_layouts.empty()) options.src_layouts.push_back(Layout{});
  options.src_layouts.push_back(std::nullopt);
  return options;
}

// Channel counts that need padding, groups, dilation, 1 to 3 axes.
const Case kCases[] = {
    {{2, 16, 7, 7}, 32, {4, 4}, {2, 2}, {1, 1}, {1, 1}},
    {{2, 21, 6, 5}, 21, {4, 4}, {2, 2}, {1, 1}, {1, 1}, 1, false},
    {{2, 20, 9, 9}, 10, {3, 3}, {1, 1}, {1, 1}, {1, 1}},
    {{1, 32, 5, 6}, 24, {3, 5}, {2, 1}, {0, 2}, {1, 1}},
    {{2, 16, 8, 8}, 16, {3, 3}, {1, 1}, {2, 2}, {2, 2}},
    {{2, 32, 6, 6}, 32, {2, 2}, {2, 2}, {0, 0}, {1, 1}, 2},
    {{2, 20, 6, 6}, 20, {3, 3}, {2, 2}, {1, 1}, {1, 1}, 2},
    {{2, 32, 5, 5}, 32, {4, 4}, {2, 2}, {1, 1}, {1, 1}, 32, false},
    {{1, 64, 7, 7}, 48, {1, 1}, {1, 1}, {0, 0}, {1, 1}},
    {{2, 16, 11}, 24, {4}, {2}, {1}, {1}},
    {{1, 16, 3, 4, 3}, 16, {2, 2, 2}, {2, 2, 2}, {0, 0, 0}, {1, 1, 1}},
    {{2, 16, 7, 7}, 3, {4, 4}, {2, 2}, {1, 1}, {1, 1}},
};

TEST_F(Deconvolution, equals_the_reference) {
  int taken = 0;
  for (const Case& c : kCases) {
    const ops::Deconvolution op = op_of(c);
    SCOPED_TRACE(c.x.text() + " " + op.describe());
    const auto inputs = inputs_of(c);
    for (const RunOptions& options :
         {undecided_weights({}), undecided_weights(blocked_sources(inputs))}) {
      OpRunner run(engine, op, inputs, options);
      if (!run.accepts()) {
        EXPECT_NE(run.refusal(), "");
        continue;
      }
      ++taken;
      expect_same(engine, reference, op, inputs, kTolerance, options);
    }
  }
  EXPECT_GT(taken, 8) << "most of them are for this engine";
}

TEST_F(Deconvolution, few_output_channels_are_left_to_a_faster_engine) {
  const Case& c = kCases[11];
  const ops::Deconvolution op = op_of(c);
  OpRunner run(engine, op, inputs_of(c), undecided_weights({}));
  EXPECT_FALSE(run.accepts());
  EXPECT_EQ(run.refusal(),
            "oneDNN's kernel for 3 output channel(s) per group is slower than im2col");
}

TEST_F(Deconvolution, weights_laid_out_for_training_are_taken_as_they_are_in_the_test_net) {
  auto inputs = inputs_of(kCases[0]);
  const ops::Deconvolution op = op_of(kCases[0]);
  OpRunner train(engine, op, inputs, undecided_weights({}));
  const Layout weights = train.forward_offer().src[1];
  inputs[0] = random_values({5, 16, 7, 7}, 9);
  RunOptions options;
  options.training = false;
  options.src_layouts = {Layout{}, weights};
  OpRunner test(engine, op, inputs, options);
  EXPECT_EQ(test.forward_offer().src[1], weights);
  expect_same(engine, reference, op, inputs, kTolerance, options);
}

TEST_F(Deconvolution, weights_gradient_alone_and_bias_alone) {
  const ops::Deconvolution op = op_of(kCases[0]);
  OpRunner run(engine, op, inputs_of(kCases[0]), undecided_weights({}));
  const auto y = run.forward();
  const Values dy = random_values(y[0].shape, 5);
  const auto both = run.gradient(1, {dy});
  const auto weights = run.gradient(1, {dy}, std::vector<int>{1});
  EXPECT_TRUE(near(*weights[1], *both[1], kTolerance));
  EXPECT_THROW(run.gradient(1, {dy}, std::vector<int>{2}), Refused);
}

TEST_F(Deconvolution, refuses_no_or_four_spatial_axes) {
  for (const size_t axes : {size_t{0}, size_t{4}}) {
    Case c{{2, 8}, 8, {}, {}, {}, {}};
    for (size_t i = 0; i < axes; ++i) c.x.append(2);
    c.kernel = c.stride = c.dilation = std::vector<int64_t>(axes, 1);
    c.pad = std::vector<int64_t>(axes, 0);
    const ops::Deconvolution op = op_of(c);
    EXPECT_FALSE(OpRunner(engine, op, inputs_of(c)).accepts());
  }
}

}  // namespace
}  // namespace crema::test
