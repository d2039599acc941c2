// unary, eltwise, scale, bias
#include "ops/pointwise.hpp"

#include "blocked.hpp"

namespace crema::test {
namespace {

using Pointwise = OneDnn;
using ops::EltwiseMethod;
using ops::Function;

ops::Unary unary_of(Function function, double p = 0, double q = 0, double r = 0) {
  ops::Unary op;
  op.function = function;
  op.p = p, op.q = q, op.r = r;
  return op;
}

TEST_F(Pointwise, unary_equals_the_reference) {
  for (const ops::Unary& op :
       {unary_of(Function::kRelu), unary_of(Function::kRelu, 0.1), unary_of(Function::kRelu, -0.2),
        unary_of(Function::kSigmoid), unary_of(Function::kTanh), unary_of(Function::kElu, 0.7),
        unary_of(Function::kElu, -0.7), unary_of(Function::kSwish, 1.5),
        unary_of(Function::kExp, 1, 1)})
    for (const Shape& shape : {Shape{2, 16, 5, 7}, Shape{3, 10}, Shape{5}, Shape{2, 8, 3, 2, 2}}) {
      SCOPED_TRACE(op.describe() + " " + shape.text());
      const std::vector<Values> x = {random_values(shape, 1, -3, 3)};
      EXPECT_EQ(expect_same(engine, reference, op, x, kTolerance), "");
      if (shape.rank() < 4) continue;
      EXPECT_EQ(expect_same(engine, reference, op, x, kTolerance, blocked_sources(x)), "");
    }
}

TEST_F(Pointwise, unary_keeps_padding_zero_or_refuses) {
  for (const Function function : {Function::kRelu, Function::kSigmoid, Function::kTanh}) {
    const ops::Unary op = unary_of(function);
    const std::vector<Values> x = {random_values({2, 20, 5, 7}, 1, -3, 3)};
    OpRunner run(engine, op, x, blocked_sources(x));
    if (!run.accepts()) {
      EXPECT_NE(run.refusal().find("ref"), std::string::npos);
      continue;
    }
    EXPECT_EQ(expect_same(engine, reference, op, x, kTolerance, blocked_sources(x)), "");
  }
}

// Bounds and kinks included: small whole numbers.
TEST_F(Pointwise, own_loops_equal_the_reference_on_blocked_layouts) {
  for (const int64_t channels : {16, 20})
    for (const ops::Unary& op :
         {unary_of(Function::kAbs), unary_of(Function::kClip, -1, 2),
          unary_of(Function::kClip, 0, 2), unary_of(Function::kThreshold, 1),
          unary_of(Function::kPower, 1, 3, 0), unary_of(Function::kPower, 2, -0.5, 0)}) {
      SCOPED_TRACE(op.describe());
      std::vector<Values> x = {random_values({2, channels, 5, 7}, 1, -3, 3)};
      for (double& v : x[0].v) v = std::round(v);
      EXPECT_EQ(expect_same(engine, reference, op, x, 1e-6, blocked_sources(x)), "");
      OpRunner plain(engine, op, x);
      EXPECT_FALSE(plain.accepts());
      EXPECT_EQ(plain.refusal(), "the reference is as fast on plain data");
    }
}

TEST_F(Pointwise, own_loops_keep_padding_zero_or_refuse) {
  const std::vector<Values> fits = {random_values({2, 16, 5, 7}, 1)},
                            padded = {random_values({2, 20, 5, 7}, 1)};
  for (const ops::Unary& op : {unary_of(Function::kClip, 1, 2), unary_of(Function::kThreshold, -1),
                               unary_of(Function::kPower, 1, 1, 2)}) {
    EXPECT_EQ(expect_same(engine, reference, op, fits, kTolerance, blocked_sources(fits)), "");
    OpRunner run(engine, op, padded, blocked_sources(padded));
    EXPECT_FALSE(run.accepts());
    EXPECT_EQ(run.refusal(), "the padding of this layout would not stay zero");
  }
}

TEST_F(Pointwise, prelu_equals_the_reference_on_blocked_layouts) {
  const ops::PRelu op;
  for (const Shape& shape : {Shape{2, 16, 5, 7}, Shape{3, 20, 9, 11}, Shape{2, 8, 3, 2, 2}})
    for (const bool single : {false, true}) {
      SCOPED_TRACE(shape.text());
      const std::vector<Values> x = {random_values(shape, 1),
                                     random_values(single ? Shape{} : Shape{shape[1]}, 2)};
      RunOptions options = blocked_sources(x);
      options.src_layouts.push_back(Layout{});
      EXPECT_EQ(expect_same(engine, reference, op, x, kTolerance, options), "");
      OpRunner run(engine, op, x, options);
      const Values dy = random_values(run.forward()[0].shape, 3);
      const auto both = run.gradient(0, {dy});
      for (const int source : {0, 1})
        EXPECT_EQ(run.gradient(0, {dy}, std::vector<int>{source})[static_cast<size_t>(source)]->v,
                  both[static_cast<size_t>(source)]->v);
      EXPECT_FALSE(OpRunner(engine, op, x).accepts());
    }
}

TEST_F(Pointwise, functions_that_onednn_computes_badly_are_refused) {
  for (const ops::Unary& op : {unary_of(Function::kLog, 1, 1, 0), unary_of(Function::kBnll)})
    EXPECT_FALSE(OpRunner(engine, op, {random_values({2, 16, 5, 7}, 1)}).accepts());
}

TEST_F(Pointwise, unary_power_is_refused_on_plain_data) {
  const ops::Unary op = unary_of(Function::kPower, 2);
  OpRunner run(engine, op, {random_values({2, 3}, 1)});
  EXPECT_FALSE(run.accepts());
  EXPECT_NE(run.refusal(), "");
}

ops::Eltwise eltwise_of(EltwiseMethod method, std::vector<float> coefficients) {
  ops::Eltwise op;
  op.method = method;
  op.sources = static_cast<int>(coefficients.size());
  op.coefficients = std::move(coefficients);
  return op;
}

std::vector<Values> several(const Shape& shape, size_t count) {
  std::vector<Values> out;
  for (uint32_t i = 0; i < count; ++i) out.push_back(random_values(shape, i + 1));
  return out;
}

TEST_F(Pointwise, eltwise_equals_the_reference) {
  for (const ops::Eltwise& op :
       {eltwise_of(EltwiseMethod::kSum, {1, 1}), eltwise_of(EltwiseMethod::kSum, {0.5f, -2}),
        eltwise_of(EltwiseMethod::kSum, {1, 2, -1}), eltwise_of(EltwiseMethod::kSum, {3}),
        eltwise_of(EltwiseMethod::kProduct, {1, 1})})
    for (const Shape& shape : {Shape{2, 16, 5, 7}, Shape{2, 20, 3, 3}, Shape{70, 300}}) {
      SCOPED_TRACE(std::to_string(op.sources) + " " + shape.text());
      const auto x = several(shape, static_cast<size_t>(op.sources));
      EXPECT_EQ(expect_same(engine, reference, op, x, kTolerance), "");
      if (shape.rank() < 4) continue;
      EXPECT_EQ(expect_same(engine, reference, op, x, kTolerance, blocked_sources(x, x.size())),
                "");
    }
}

TEST_F(Pointwise, eltwise_takes_the_blocked_layout_of_one_source_for_all) {
  const ops::Eltwise op = eltwise_of(EltwiseMethod::kSum, {1, 1});
  const auto x = several({2, 16, 5, 7}, 2);
  RunOptions options;
  options.src_layouts = {Layout(), blocked(x[0].shape)};
  OpRunner run(engine, op, x, options);
  for (const Layout& layout : run.forward_offer().src) EXPECT_EQ(layout, blocked(x[0].shape));
  EXPECT_EQ(run.forward_offer().dst[0], blocked(x[0].shape));
  EXPECT_EQ(expect_same(engine, reference, op, x, kTolerance, options), "");
}

TEST_F(Pointwise, eltwise_sum_may_overwrite_a_source_that_it_reads_twice) {
  const ops::Eltwise op = eltwise_of(EltwiseMethod::kSum, {1, 2, 3});
  OpRunner run(engine, op, several({1000}, 3));
  std::vector<float> x(1000, 1.0f);
  const void* src[] = {x.data(), x.data(), x.data()};
  void* dst[] = {x.data()};
  ops::KernelArgs args;
  args.src = src;
  args.dst = dst;
  run.forward_offer().kernel->run(args);
  EXPECT_EQ(x, std::vector<float>(1000, 6.0f));
}

TEST_F(Pointwise, eltwise_refusals) {
  const auto reason = [&](const ops::Eltwise& op) {
    OpRunner run(engine, op, several({2, 3}, static_cast<size_t>(op.sources)));
    EXPECT_FALSE(run.accepts());
    return run.refusal();
  };
  EXPECT_EQ(reason(eltwise_of(EltwiseMethod::kMax, {1, 1})),
            "oneDNN's maximum does not keep which source won");
  EXPECT_EQ(reason(eltwise_of(EltwiseMethod::kProduct, {1, 1, 1})), "products of two tensors only");
  ops::Eltwise division = eltwise_of(EltwiseMethod::kProduct, {1, 1});
  division.stable_product_gradient = false;
  const std::string refused = expect_same(engine, reference, division, several({2, 3}, 2));
  EXPECT_NE(refused.find("a gradient by division (stable_prod_grad: false)"), std::string::npos);
}

TEST_F(Pointwise, scale_and_bias_on_blocked_sources_equal_the_reference) {
  for (const Shape& shape : {Shape{3, 16, 5, 7}, Shape{2, 20, 9, 9}, Shape{1, 8, 1, 1}}) {
    const Shape channels{shape[1]};
    for (const bool bias : {false, true}) {
      ops::Scale op;
      op.bias = bias;
      std::vector<Values> inputs = {random_values(shape, 1), random_values(channels, 2)};
      if (bias) inputs.push_back(random_values(channels, 3));
      RunOptions options = blocked_sources(inputs);
      if (options.src_layouts[0].value().plain()) continue;  // 1x1: blocked is plain
      EXPECT_EQ(expect_same(engine, reference, op, inputs, kTolerance, options), "");
      OpRunner run(engine, op, inputs, options);
      EXPECT_EQ(run.forward_offer().dst[0], blocked(shape));
    }
    const std::vector<Values> inputs = {random_values(shape, 1), random_values(channels, 2)};
    const RunOptions options = blocked_sources(inputs);
    if (options.src_layouts[0].value().plain()) continue;
    EXPECT_EQ(expect_same(engine, reference, ops::Bias{}, inputs, kTolerance, options), "");
  }
}

TEST_F(Pointwise, scale_and_bias_refusals) {
  const ops::Scale op;
  const std::vector<Values> inputs = {random_values({2, 8, 3, 3}, 1), random_values({8}, 2)};
  OpRunner plain(engine, op, inputs);
  EXPECT_FALSE(plain.accepts());
  EXPECT_EQ(plain.refusal(), "the reference is as fast on plain data");
  ops::Bias by_image;
  by_image.axis = 0;
  const std::vector<Values> images = {random_values({2, 8, 3, 3}, 1), random_values({2, 8}, 2)};
  OpRunner other(engine, by_image, images, blocked_sources(images));
  EXPECT_FALSE(other.accepts());
  EXPECT_EQ(other.refusal(), "only one number per channel (axis 1)");
  RunOptions turned;
  turned.src_layouts = {with_tag({2, 8, 3, 3}, dnnl::memory::format_tag::bacd)};
  OpRunner odd(engine, op, inputs, turned);
  EXPECT_FALSE(odd.accepts());
  EXPECT_EQ(odd.refusal(), "only on layouts with blocks of channels");
}

TEST_F(Pointwise, scale_and_bias_of_channels_that_come_last) {
  for (const int64_t channels : {8, 20, 32}) {
    const Shape shape{2, channels, 3, 5};
    RunOptions options;
    options.src_layouts = {with_tag(shape, dnnl::memory::format_tag::acdb)};
    options.diff_dst_like_dst = true;
    ops::Scale op;
    op.bias = true;
    const std::vector<Values> inputs = {random_values(shape, 1), random_values({channels}, 2),
                                        random_values({channels}, 3)};
    EXPECT_EQ(expect_same(engine, reference, op, inputs, kTolerance, options), "");
    EXPECT_EQ(
        expect_same(engine, reference, ops::Bias{}, {inputs[0], inputs[1]}, kTolerance, options),
        "");
  }
}

TEST_F(Pointwise, dropout_draws_the_reference_mask_in_every_layout) {
  using Tag = dnnl::memory::format_tag;
  ops::Dropout op;
  op.ratio = 0.4f;
  op.stream = "drop";
  const auto check = [&](const Shape& shape, RunOptions options) {
    options.step = {.seed = 3, .iteration = 1, .pass = 9};
    SCOPED_TRACE(shape.text());
    const std::vector<Values> x = {random_values(shape, 1)};
    for (const bool training : {true, false}) {
      options.training = training;
      OpRunner a(engine, op, x, options);
      RunOptions plain;
      plain.step = options.step;
      OpRunner b(reference, op, x, plain);
      EXPECT_EQ(a.forward()[0].v, b.forward()[0].v);
      if (!training) continue;
      const Values dy = random_values(shape, 2);
      EXPECT_EQ(a.gradient(0, {dy})[0]->v, b.gradient(0, {dy})[0]->v);
    }
  };
  for (const Shape& shape : {Shape{37}, Shape{5, 37}, Shape{2, 16}, Shape{3, 20, 7, 5}, Shape{}})
    check(shape, {});
  for (const Tag tag : {Tag::aBcd8b, Tag::aBcd16b, Tag::acdb})
    for (const Shape& shape : {Shape{3, 20, 7, 5}, Shape{2, 64, 40, 30}}) {
      RunOptions options;
      options.src_layouts = {with_tag(shape, tag)};
      options.diff_dst_like_dst = true;
      check(shape, options);
    }
}

}  // namespace
}  // namespace crema::test
