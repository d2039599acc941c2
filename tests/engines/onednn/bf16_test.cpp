// What the processor makes of bf16, and the kernels that take it.
#include "engines/onednn/bf16.hpp"

#include "blocked.hpp"
#include "ops/linear.hpp"
#include "ops/pointwise.hpp"
#include "ops/shape_ops.hpp"
#include "ops/spatial.hpp"
#include "ops/statistics.hpp"
#include "support/convolution_case.hpp"

namespace crema::test {
namespace {

TEST(Amx, is_used_only_where_cpuid_has_its_palettes) {
  constexpr uint32_t kTile = 1u << 24, kOthers = ~kTile;
  // {last leaf, leaf 7 EDX, leaf 0x1D EAX}
  EXPECT_FALSE(onednn::amx_is_broken({0x20, kTile, 1}));  // whole
  EXPECT_FALSE(onednn::amx_is_broken({0x1D, kTile | kOthers, 1}));
  EXPECT_TRUE(onednn::amx_is_broken({0x1C, kTile, 0}));            // the leaf is hidden
  EXPECT_TRUE(onednn::amx_is_broken({0x1C, kTile, 1}));            // what is beyond the last leaf
  EXPECT_TRUE(onednn::amx_is_broken({0x20, kTile | kOthers, 0}));  // the leaf is there, empty
  EXPECT_FALSE(onednn::amx_is_broken({0x10, kOthers, 0}));         // no AMX
  EXPECT_FALSE(onednn::amx_is_broken({0x20, kOthers, 1}));
  EXPECT_FALSE(onednn::amx_is_broken({}));  // no CPUID
}

constexpr double kRounding = 0.02;  // of the largest value: factors have 8 bits

class Bf16Kernels : public OneDnn {
 protected:
  void SetUp() override {
    support_ = engine.bf16();
    if (!support_.possible) GTEST_SKIP() << support_.note;
  }

  // Sources are in blocks of bf16, the first `rounded` of them.
  static RunOptions options(const std::vector<Values>& inputs, size_t rounded) {
    RunOptions out;
    out.precision = ops::Precision::kBf16Forced;
    for (size_t i = 0; i < rounded; ++i) out.src_layouts.push_back(bf16_blocks(inputs[i].shape));
    out.diff_dst_like_dst = true;
    return out;
  }
  static Layout bf16_blocks(const Shape& shape) {
    using Tag = dnnl::memory::format_tag;
    return onednn::layout_of(onednn::Desc(shape.dims(), onednn::Type::bf16, Tag::aBcd16b));
  }

  // Within rounding of the reference, forward and backward, and the result is bf16.
  void expect_rounded(const ops::Op& op, const std::vector<Values>& x, size_t rounded = 1) {
    SCOPED_TRACE(op.kind());
    EXPECT_EQ(expect_same(engine, reference, op, x, kRounding, options(x, rounded)), "");
    OpRunner run(engine, op, x, options(x, rounded));
    ASSERT_FALSE(run.forward_offer().dst[0].plain());
    EXPECT_EQ(run.forward_offer().dst[0].opaque()->dtype(), DType::kBf16);
  }

  ops::Bf16Support support_;
};

using Case = ConvolutionCase;

TEST_F(Bf16Kernels, convolution) {
  for (const Case& c : {Case{{2, 16, 13, 9}, 32, {3, 3}, {2, 2}, {1, 1}, {1, 1}},
                        Case{{2, 32, 7, 7}, 48, {1, 1}, {1, 1}, {0, 0}, {1, 1}, 1, false},
                        Case{{2, 32, 9, 9}, 32, {3, 3}, {1, 1}, {1, 1}, {1, 1}, 2},
                        Case{{2, 32, 11, 11}, 32, {3, 3}, {2, 2}, {1, 1}, {1, 1}, 32}})
    expect_rounded(convolution_op<ops::Convolution>(c), convolution_sources<ops::Convolution>(c));
}

TEST_F(Bf16Kernels, convolution_says_in_which_f32_layout_its_weights_rest) {
  const Case c{{2, 16, 13, 9}, 32, {3, 3}, {2, 2}, {1, 1}, {1, 1}};
  const auto op = convolution_op<ops::Convolution>(c);
  const auto x = convolution_sources<ops::Convolution>(c);
  OpRunner run(engine, op, x, options(x, 1));
  const ops::Offer& offer = run.forward_offer();
  EXPECT_EQ(offer.src[1].opaque()->dtype(), DType::kBf16);
  const Layout rest = offer.at_rest.at(1);
  EXPECT_TRUE(rest.plain() || rest.opaque()->dtype() == DType::kF32);
}

TEST_F(Bf16Kernels, nothing_is_rounded_unless_it_may_be) {
  const Case c{{2, 16, 13, 9}, 32, {3, 3}, {2, 2}, {1, 1}, {1, 1}};
  const auto op = convolution_op<ops::Convolution>(c);
  const auto x = convolution_sources<ops::Convolution>(c);
  OpRunner run(engine, op, x, blocked_sources(x));
  for (const Layout& layout : {run.forward_offer().src[1], run.forward_offer().dst[0]})
    EXPECT_TRUE(layout.plain() || layout.opaque()->dtype() == DType::kF32);
  EXPECT_TRUE(run.forward_offer().at_rest.empty());
}

// Whole tiles of many channels; hanging over; few channels; 5x5.
TEST_F(Bf16Kernels, where_winograd_is_faster_convolutions_stay_in_single_precision) {
  if (onednn::has_tile_kernels()) GTEST_SKIP() << "skipped: AMX is faster";
  const std::pair<Case, bool> cases[] = {
      {{{1, 96, 28, 28}, 96, {3, 3}, {1, 1}, {1, 1}, {1, 1}}, false},
      {{{4, 96, 14, 14}, 96, {3, 3}, {1, 1}, {1, 1}, {1, 1}}, true},
      {{{1, 64, 28, 28}, 96, {3, 3}, {1, 1}, {1, 1}, {1, 1}}, true},
      {{{1, 64, 28, 28}, 96, {5, 5}, {1, 1}, {2, 2}, {1, 1}}, false},
  };
  for (const auto& [c, rounds] : cases) {
    const auto op = convolution_op<ops::Convolution>(c);
    const auto x = convolution_sources<ops::Convolution>(c);
    RunOptions chosen = options(x, 1);
    chosen.precision = ops::Precision::kBf16;
    OpRunner run(engine, op, x, chosen);
    const Layout result = run.forward_offer().dst[0];
    EXPECT_EQ(!result.plain() && result.opaque()->dtype() == DType::kBf16, rounds)
        << c.x.text() << " " << op.describe();
  }
}

TEST_F(Bf16Kernels, inner_product_rounds_factors_but_not_results) {
  ops::InnerProduct op;
  const std::vector<Values> x = {random_values({6, 32, 3, 3}, 1), random_values({20, 288}, 2),
                                 random_values({20}, 3)};
  EXPECT_EQ(expect_same(engine, reference, op, x, kRounding, options(x, 1)), "");
  OpRunner run(engine, op, x, options(x, 1));
  EXPECT_EQ(run.forward_offer().src[1].opaque()->dtype(), DType::kBf16);
  EXPECT_TRUE(run.forward_offer().dst[0].plain());
}

TEST_F(Bf16Kernels, unary) {
  ops::Unary op;
  op.function = ops::Function::kRelu;
  expect_rounded(op, {random_values({2, 20, 5, 7}, 1)});
}

TEST_F(Bf16Kernels, pooling) {
  for (const auto method : {ops::PoolMethod::kMax, ops::PoolMethod::kAverage}) {
    ops::Pooling op;
    op.method = method;
    op.kernel_h = op.kernel_w = 3;
    op.stride_h = op.stride_w = 2;
    op.out_h = op.out_w = 4;
    // Numbers that bf16 has, so that maxima are where they were.
    expect_rounded(op, {random_labels({2, 32, 9, 9}, 1, 100)});
  }
}

TEST_F(Bf16Kernels, eltwise_and_concat) {
  for (const size_t sources : {2, 3}) {
    std::vector<Values> x;
    for (size_t i = 0; i < sources; ++i) x.push_back(random_values({2, 32, 5, 5}, 1 + i));
    ops::Eltwise sum;
    sum.sources = static_cast<int>(sources);
    sum.coefficients.assign(sources, 0.5f);
    expect_rounded(sum, x, sources);
    ops::Concat concat;
    concat.axis = 1;
    concat.sources = static_cast<int>(sources);
    expect_rounded(concat, x, sources);
  }
}

TEST_F(Bf16Kernels, lrn) {
  for (const int64_t channels : {32, 20}) {
    ops::Lrn op;
    op.size = 5;
    op.alpha = 0.5f;
    op.beta = 0.75f;
    expect_rounded(op, {random_values({2, channels, 5, 7}, 1, -2, 2)});
  }
}

TEST_F(Bf16Kernels, batch_norm_has_statistics_in_single_precision) {
  const ops::BatchNorm op;
  const std::vector<Values> x = {random_values({4, 20, 5, 5}, 1), random_values({20}, 2, 1, 3),
                                 random_values({20}, 3, 1, 3), Values(Shape{1}, 2)};
  expect_rounded(op, x);
}

}  // namespace
}  // namespace crema::test
