#include "base/simd.hpp"
#include "blocked.hpp"
#include "ops/spatial.hpp"

namespace crema::test {
namespace {

using Lrn = OneDnn;

ops::Lrn op_of(bool within, int64_t size, float beta = 0.75f) {
  ops::Lrn op;
  op.within_channel = within;
  op.size = size;
  op.alpha = 2;  // large enough to matter
  op.beta = beta;
  op.k = 1.5f;
  return op;
}

// Where oneDNN has a kernel on this processor, its values are Caffe's in both modes.
TEST_F(Lrn, lrn_equals_the_reference_or_is_refused) {
  int accepted = 0;
  for (const bool within : {false, true})
    for (const int64_t size : {3, 5, 7})
      for (const int64_t channels : {16, 20, 32, 64})
        for (const bool as_blocks : {false, true}) {
          const ops::Lrn op = op_of(within, size);
          SCOPED_TRACE(op.describe() + " " + std::to_string(channels));
          const std::vector<Values> x = {random_values({2, channels, 9, 11}, 1)};
          const RunOptions options = as_blocks ? blocked_sources(x) : RunOptions{};
          OpRunner run(engine, op, x, options);
          if (!run.accepts()) {
            EXPECT_NE(run.refusal().find("ref"), std::string::npos) << run.refusal();
            continue;
          }
          ++accepted;
          EXPECT_EQ(expect_same(engine, reference, op, x, kTolerance, options), "");
        }
  if (dnnl::get_effective_cpu_isa() >= dnnl::cpu_isa::avx2) {
    EXPECT_GE(accepted, 6);  // across 5 channels of 16, 32, 64, both layouts
  }
}

TEST_F(Lrn, plain_sources_are_blocked_for_training) {
  if (dnnl::get_effective_cpu_isa() < dnnl::cpu_isa::avx2)
    GTEST_SKIP() << "skipped: this processor has no vector kernels";
  const std::vector<Values> x = {random_values({2, 32, 9, 11}, 1)};
  const ops::Lrn op = op_of(false, 5);
  OpRunner run(engine, op, x);
  EXPECT_FALSE(run.forward_offer().src[0].plain());
  EXPECT_EQ(run.forward_offer().src[0], run.forward_offer().dst[0]);
}

TEST_F(Lrn, slow_loops_are_refused_with_their_name) {
  const ops::Lrn op = op_of(false, 5, 0.6f);  // no power that roots make
  OpRunner run(engine, op, {random_values({2, 20, 9, 11}, 1)});
  EXPECT_FALSE(run.accepts());
  EXPECT_NE(run.refusal().find("oneDNN has only its reference loops for this"), std::string::npos);
}

TEST_F(Lrn, across_channels_in_every_layout_of_blocks_and_on_every_instruction_set) {
  using Tag = dnnl::memory::format_tag;
  for (const simd::Isa isa : {simd::Isa::kBaseline, simd::Isa::kAvx2, simd::Isa::kAvx512}) {
    simd::limit_isa(isa);
    for (const float beta : {0.5f, 0.75f, 1.0f})
      for (const int64_t size : {1, 3, 5, 21, 33})
        for (const int64_t channels : {3, 16, 20, 40})
          for (const Tag tag : {Tag::abcd, Tag::aBcd8b, Tag::aBcd16b, Tag::acdb}) {
            const ops::Lrn op = op_of(false, size, beta);
            const Shape shape{2, channels, 3, 5};
            SCOPED_TRACE(fmt::format("{} beta {} channels {}", op.describe(), beta, channels));
            RunOptions options;
            if (tag != Tag::abcd) options.src_layouts = {with_tag(shape, tag)};
            options.diff_dst_like_dst = true;
            const std::vector<Values> x = {random_values(shape, 1)};
            EXPECT_EQ(expect_same(engine, reference, op, x, kTolerance, options), "");
            OpRunner run(engine, op, x, options);
            EXPECT_EQ(run.forward_offer().workspace_bytes, 0u);
          }
  }
  simd::limit_isa(simd::Isa::kAvx512);
}

}  // namespace
}  // namespace crema::test
