#include <functional>

#include "base/parallel.hpp"
#include "base/simd.hpp"
#include "blocked.hpp"
#include "engines/onednn/kernel.hpp"
#include "ops/linear.hpp"
#include "ops/pointwise.hpp"
#include "support/convolution_case.hpp"

namespace crema::test {
namespace {

using Convolution = OneDnn;

using Case = ConvolutionCase;
constexpr auto op_of = convolution_op<ops::Convolution>;
constexpr auto inputs_of = convolution_sources<ops::Convolution>;

// Channel counts that need padding (3, 20, 50), odd sizes, groups, dilation, 1 to 3 axes.
const Case kCases[] = {
    {{4, 1, 28, 28}, 20, {5, 5}, {1, 1}, {0, 0}, {1, 1}},
    {{4, 20, 12, 12}, 50, {5, 5}, {1, 1}, {0, 0}, {1, 1}},
    {{2, 3, 35, 33}, 16, {11, 11}, {4, 4}, {0, 0}, {1, 1}},
    {{2, 16, 13, 9}, 32, {3, 3}, {1, 1}, {1, 1}, {1, 1}, 1, false},
    {{2, 32, 14, 14}, 24, {3, 1}, {2, 1}, {1, 0}, {1, 1}},
    {{1, 64, 7, 7}, 96, {1, 1}, {1, 1}, {0, 0}, {1, 1}},
    {{2, 64, 8, 8}, 32, {1, 1}, {2, 2}, {0, 0}, {1, 1}, 1, false},
    {{2, 16, 15, 15}, 16, {3, 3}, {1, 1}, {2, 2}, {2, 2}},
    {{2, 32, 9, 9}, 32, {5, 5}, {1, 1}, {2, 2}, {1, 1}, 2},
    {{2, 20, 9, 9}, 10, {3, 3}, {1, 1}, {1, 1}, {1, 1}, 2},
    {{2, 32, 11, 11}, 32, {3, 3}, {2, 2}, {1, 1}, {1, 1}, 32},
    {{2, 16, 21}, 24, {3}, {1}, {1}, {1}},
    {{2, 16, 5, 6, 7}, 16, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}},
    {{1, 8, 3, 3}, 8, {3, 3}, {3, 3}, {2, 2}, {1, 1}},
    // Enough tiles for Winograd: odd sizes, padded channels, groups, all paddings.
    {{2, 48, 23, 25}, 32, {3, 3}, {1, 1}, {1, 1}, {1, 1}},
    {{3, 16, 20, 22}, 40, {3, 3}, {1, 1}, {0, 0}, {1, 1}, 1, false},
    {{3, 20, 18, 19}, 16, {3, 3}, {1, 1}, {2, 0}, {1, 1}},
    {{2, 64, 23, 25}, 96, {3, 3}, {1, 1}, {1, 1}, {1, 1}, 2},
    {{16, 20, 12, 12}, 50, {5, 5}, {1, 1}, {0, 0}, {1, 1}},
    {{3, 16, 21, 23}, 48, {5, 5}, {1, 1}, {2, 2}, {1, 1}},
    {{5, 32, 13, 14}, 32, {5, 5}, {1, 1}, {4, 3}, {1, 1}, 2, false},
    // Few tiles for its large weights; a last pair of blocks that is none.
    {{8, 112, 7, 7}, 272, {3, 3}, {1, 1}, {1, 1}, {1, 1}},
    {{8, 128, 7, 6}, 128, {5, 5}, {1, 1}, {2, 2}, {1, 1}, 1, false},
};

TEST_F(Convolution, convolution_equals_the_reference_on_plain_sources) {
  for (const Case& c : kCases) {
    const ops::Convolution op = op_of(c);
    SCOPED_TRACE(c.x.text() + " " + op.describe());
    const std::string refused = expect_same(engine, reference, op, inputs_of(c), kTolerance);
    if (c.x[1] / c.groups > 3) {
      EXPECT_EQ(refused, "");
    }
  }
}

TEST_F(Convolution, convolution_equals_the_reference_on_blocked_sources_and_gradients) {
  for (const Case& c : kCases) {
    const ops::Convolution op = op_of(c);
    SCOPED_TRACE(c.x.text() + " " + op.describe());
    const auto inputs = inputs_of(c);
    expect_same(engine, reference, op, inputs, kTolerance, blocked_sources(inputs));
  }
}

TEST_F(Convolution, test_net_without_training) {
  for (const Case& c : kCases) {
    RunOptions options;
    options.training = false;
    expect_same(engine, reference, op_of(c), inputs_of(c), kTolerance, options);
  }
}

TEST_F(Convolution, output_is_blocked_and_the_next_op_takes_it_as_it_is) {
  const ops::Convolution op = op_of(kCases[3]);
  OpRunner conv(engine, op, inputs_of(kCases[3]));
  const Layout y = conv.forward_offer().dst[0];
  if (conv.forward_offer().implementation.rfind("jit", 0) != 0)
    GTEST_SKIP() << "skipped: this processor has no direct kernels";
  ASSERT_FALSE(y.plain());
  const Shape shape = conv.dst_shapes()[0];
  RunOptions options;
  options.src_layouts = {y};
  ops::Unary relu;
  OpRunner next(engine, relu, {random_values(shape, 4)}, options);
  EXPECT_EQ(next.forward_offer().src[0], y);
  EXPECT_EQ(next.forward_offer().dst[0], y);
  const Case c{shape, 16, {3, 3}, {1, 1}, {1, 1}, {1, 1}};
  const ops::Convolution second = op_of(c);
  OpRunner after(engine, second, inputs_of(c), options);
  EXPECT_EQ(after.forward_offer().src[0], y);
}

TEST_F(Convolution, winograd_takes_over_where_it_pays) {
  const Case base{{1, 16, 32, 32}, 16, {3, 3}, {1, 1}, {1, 1}, {1, 1}};
  const auto implementation = [&](const std::function<void(Case&)>& change) {
    Case c = base;
    change(c);
    const ops::Convolution op = op_of(c);
    return OpRunner(engine, op, inputs_of(c)).forward_offer().implementation;
  };
  EXPECT_EQ(implementation([](Case&) {}), "winograd_4x3");
  EXPECT_EQ(implementation([](Case& c) { c.kernel = {5, 5}, c.pad = {2, 2}; }), "winograd_4x5");
  EXPECT_EQ(implementation([](Case& c) {
              c.x = {1, 64, 32, 32}, c.outputs = 32, c.groups = 2;
            }),
            "winograd_4x3");
  const std::vector<std::function<void(Case&)>> others = {
      [](Case& c) {
        c.x = {1, 16, 32, 12};
      },  // 8 x 3 tiles
      [](Case& c) {
        c.x = {4, 15, 32, 32};
      },
      [](Case& c) {
        c.x = {4, 16, 32, 32}, c.stride = {2, 2};
      },
      [](Case& c) {
        c.kernel = {3, 1}, c.pad = {1, 0};
      },
      [](Case& c) {
        c.kernel = {7, 7}, c.pad = {3, 3};
      },
      [](Case& c) {
        c.pad = {3, 3};
      },
      [](Case& c) {
        c.x = {4, 40, 32, 32}, c.outputs = 40, c.groups = 2;
      }};
  for (size_t i = 0; i < others.size(); ++i)
    EXPECT_EQ(implementation(others[i]).find("winograd"), std::string::npos) << i;
}

TEST_F(Convolution, winograd_needs_no_other_layout_of_the_weights_for_the_gradient) {
  const Case c{{2, 32, 24, 24}, 32, {5, 5}, {1, 1}, {2, 2}, {1, 1}};
  const ops::Convolution op = op_of(c);
  OpRunner run(engine, op, inputs_of(c));
  const Layout weights = run.forward_offer().src[1];
  EXPECT_FALSE(weights.plain());
  ops::KernelRequest request;
  request.op = &op;
  request.part = 0;
  request.training = true;
  for (const Values& v : inputs_of(c)) {
    request.src.push_back({v.shape, Layout(), true});
    request.diff_src.push_back({v.shape, std::nullopt, true});
  }
  request.dst = request.diff_dst = {{run.dst_shapes()[0], Layout(), true}};
  const auto answer = engine.offer(request);
  EXPECT_EQ(std::get<ops::Offer>(answer).src[1], weights);
}

TEST_F(Convolution, winograd_on_lesser_instruction_sets) {
  for (const simd::Isa isa : {simd::Isa::kBaseline, simd::Isa::kAvx2}) {
    simd::limit_isa(isa);
    for (const Case& c : kCases) {
      const ops::Convolution op = op_of(c);
      SCOPED_TRACE(c.x.text() + " " + op.describe());
      OpRunner run(engine, op, inputs_of(c));
      if (!run.accepts() || run.forward_offer().implementation.find("winograd") != 0) continue;
      EXPECT_EQ(expect_same(engine, reference, op, inputs_of(c), kTolerance), "");
    }
  }
  simd::limit_isa(simd::Isa::kAvx512);
}

TEST_F(Convolution, winograd_forward_does_not_depend_on_the_number_of_threads) {
  const int before = compute_threads();
  for (const Case& c : {Case{{3, 48, 23, 25}, 32, {3, 3}, {1, 1}, {1, 1}, {1, 1}},
                        Case{{8, 128, 7, 7}, 256, {3, 3}, {1, 1}, {1, 1}, {1, 1}}}) {
    const ops::Convolution op = op_of(c);
    std::optional<std::vector<double>> y;
    for (const int threads : {1, 2, 3}) {
      start_compute_threads(threads);
      OpRunner run(engine, op, inputs_of(c));
      const std::vector<double> now = run.forward()[0].v;
      EXPECT_EQ(now, y.value_or(now)) << threads;
      y = now;
    }
  }
  start_compute_threads(before);
}

TEST_F(Convolution, channels_that_blocks_would_pad_much_come_last) {
  if (!onednn::has_wide_kernels()) GTEST_SKIP() << "skipped: this processor has no AVX-512";
  const Case c{{4, 20, 12, 12}, 50, {1, 1}, {1, 1}, {0, 0}, {1, 1}};
  const ops::Convolution op = op_of(c);
  OpRunner run(engine, op, inputs_of(c));
  EXPECT_EQ(run.forward_offer().dst[0].text(), "acdb");
  const ops::Convolution first = op_of(kCases[0]);  // of one channel: nothing to be won
  OpRunner image(engine, first, inputs_of(kCases[0]));
  EXPECT_NE(image.forward_offer().dst[0].text(), "acdb");
}

TEST_F(Convolution, a_test_net_computes_the_bits_of_a_training_net) {
  for (const Case& c : kCases) {
    const ops::Convolution op = op_of(c);
    SCOPED_TRACE(c.x.text() + " " + op.describe());
    RunOptions options;
    options.training = false;
    OpRunner train(engine, op, inputs_of(c)), test(engine, op, inputs_of(c), options);
    if (!train.accepts()) continue;
    EXPECT_EQ(train.forward_offer().implementation, test.forward_offer().implementation);
    EXPECT_EQ(train.forward()[0].v, test.forward()[0].v);
  }
}

TEST_F(Convolution, weights_laid_out_for_training_are_taken_as_they_are_in_the_test_net) {
  const ops::Convolution op = op_of(kCases[3]);
  auto inputs = inputs_of(kCases[3]);
  OpRunner train(engine, op, inputs);
  const Layout weights = train.forward_offer().src[1];
  inputs[0] = random_values({5, 16, 13, 9}, 9);
  RunOptions options;
  options.training = false;
  options.src_layouts = {Layout{}, weights};
  OpRunner test(engine, op, inputs, options);
  EXPECT_EQ(test.forward_offer().src[1], weights);
  expect_same(engine, reference, op, inputs, kTolerance, options);
}

TEST_F(Convolution, same_bits_on_every_run) {
  const ops::Convolution op = op_of(kCases[1]);
  OpRunner a(engine, op, inputs_of(kCases[1])), b(engine, op, inputs_of(kCases[1]));
  const auto first = a.forward(), second = b.forward();
  EXPECT_EQ(first[0].v, second[0].v);
  EXPECT_EQ(a.forward()[0].v, first[0].v);
  const Values dy = random_values(first[0].shape, 5);
  EXPECT_EQ(a.gradient(1, {dy})[1]->v, b.gradient(1, {dy})[1]->v);
}

TEST_F(Convolution, gradient_of_few_input_channels_is_left_to_a_faster_engine) {
  const ops::Convolution op = op_of(kCases[2]);
  OpRunner run(engine, op, inputs_of(kCases[2]));
  EXPECT_FALSE(run.accepts_gradient(0));
  EXPECT_EQ(run.refusal(),
            "oneDNN's gradient with respect to 3 input channel(s) per group is slower than im2col");
  EXPECT_TRUE(run.accepts_gradient(1));
}

TEST_F(Convolution, weights_of_one_input_channel_are_left_to_a_faster_engine_on_avx2) {
  const ops::Convolution op = op_of(kCases[0]);
  OpRunner run(engine, op, inputs_of(kCases[0]));
  if (run.forward_offer().implementation != "jit:avx2")
    GTEST_SKIP() << "skipped: this processor does not use the AVX2 kernels";
  EXPECT_FALSE(run.accepts_gradient(1));
  EXPECT_EQ(run.refusal(), "oneDNN's AVX2 kernel for one input channel is slower than im2col");
}

TEST_F(Convolution, weights_gradient_alone_and_bias_alone) {
  const ops::Convolution op = op_of(kCases[1]);
  OpRunner run(engine, op, inputs_of(kCases[1]));
  const auto y = run.forward();
  const Values dy = random_values(y[0].shape, 5);
  const auto both = run.gradient(1, {dy});
  const auto weights = run.gradient(1, {dy}, std::vector<int>{1});
  EXPECT_TRUE(near(*weights[1], *both[1], kTolerance));
  EXPECT_THROW(run.gradient(1, {dy}, std::vector<int>{2}), Refused);
  EXPECT_EQ(run.refusal(), "oneDNN computes no bias gradient without the weights'");
}

TEST_F(Convolution, refuses_no_or_four_spatial_axes) {
  const Case none{{2, 8}, 8, {}, {}, {}, {}};
  const ops::Convolution op = op_of(none);
  OpRunner run(engine, op, inputs_of(none));
  EXPECT_FALSE(run.accepts());
  EXPECT_EQ(run.refusal(), "oneDNN convolves over 1 to 3 spatial axes, not 0");
  const Case four{{1, 8, 3, 3, 3, 3}, 8, {1, 1, 1, 1}, {1, 1, 1, 1}, {0, 0, 0, 0}, {1, 1, 1, 1}};
  const ops::Convolution op4 = op_of(four);
  OpRunner run4(engine, op4, inputs_of(four));
  EXPECT_FALSE(run4.accepts());
  EXPECT_EQ(run4.refusal(), "oneDNN convolves over 1 to 3 spatial axes, not 4");
}

}  // namespace
}  // namespace crema::test
