#include "blocked.hpp"
#include "engines/onednn/kernel.hpp"
#include "ops/linear.hpp"

namespace crema::test {
namespace {

using InnerProduct = OneDnn;

struct Case {
  Shape x;
  int64_t outputs;
  int axis = 1;
  bool transpose = false, bias = true;
};

ops::InnerProduct op_of(const Case& c) {
  ops::InnerProduct op;
  op.axis = c.axis;
  op.transpose = c.transpose;
  op.bias = c.bias;
  return op;
}

std::vector<Values> inputs_of(const Case& c) {
  const int64_t k = c.x.count(c.axis);
  std::vector<Values> inputs = {
      random_values(c.x, 1),
      random_values(c.transpose ? Shape{k, c.outputs} : Shape{c.outputs, k}, 2)};
  if (c.bias) inputs.push_back(random_values(Shape{c.outputs}, 3));
  return inputs;
}

const Case kCases[] = {
    {{64, 500}, 10},
    {{7, 33}, 5, 1, true},
    {{8, 50, 4, 4}, 100},
    {{8, 64, 3, 5}, 40},
    {{8, 64, 3, 5}, 40, 1, true},
    {{4, 6, 20}, 17, 2},
    {{4, 6, 20}, 17, 2, true, false},
    {{3, 16, 2, 2, 2}, 9},
    {{1, 12}, 1, 1, false, false},
    {{5, 3}, 4, 0},
};

TEST_F(InnerProduct, inner_product_equals_the_reference_on_plain_sources) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.x.text());
    EXPECT_EQ(expect_same(engine, reference, op_of(c), inputs_of(c), kTolerance), "");
  }
}

TEST_F(InnerProduct, inner_product_equals_the_reference_on_blocked_sources) {
  for (const Case& c : kCases) {
    if (c.x.rank() < 4) continue;
    SCOPED_TRACE(c.x.text());
    const auto inputs = inputs_of(c);
    EXPECT_EQ(expect_same(engine, reference, op_of(c), inputs, kTolerance, blocked_sources(inputs)),
              "");
  }
}

// Where oneDNN has a blocked product it wants rows; a plain one is as good on a blocked source.
TEST_F(InnerProduct, takes_blocked_sources_as_they_are_where_unblocking_gains_nothing) {
  for (const int64_t channels : {64, 50}) {
    const Case c{{8, channels, 4, 4}, 100};
    const auto inputs = inputs_of(c);
    const ops::InnerProduct op = op_of(c);
    OpRunner run(engine, op, inputs, blocked_sources(inputs));
    const bool rows = channels == 50 || onednn::has_wide_kernels();
    const Layout expected = rows ? Layout() : blocked(c.x);
    EXPECT_EQ(run.forward_offer().src[0], expected) << channels;
    EXPECT_TRUE(run.forward_offer().dst[0].plain());
  }
}

TEST_F(InnerProduct, weights_in_whatever_layout_they_come) {
  const Case c{{8, 64, 4, 4}, 24};
  const auto inputs = inputs_of(c);
  const ops::InnerProduct op = op_of(c);
  OpRunner run(engine, op, inputs, blocked_sources(inputs));
  for (const bool blocked_x : {false, true}) {
    RunOptions options;
    options.src_layouts = {blocked_x ? blocked(c.x) : Layout(), run.forward_offer().src[1]};
    EXPECT_EQ(expect_same(engine, reference, op, inputs, kTolerance, options), "");
    options.src_layouts[1] = Layout();
    EXPECT_EQ(expect_same(engine, reference, op, inputs, kTolerance, options), "");
  }
}

TEST_F(InnerProduct, blocked_weights_serve_all_three_kernels) {
  if (!onednn::has_wide_kernels()) GTEST_SKIP() << "skipped: this processor has no AVX-512";
  const Case c{{16, 1024}, 1000};
  const ops::InnerProduct op = op_of(c);
  OpRunner run(engine, op, inputs_of(c));
  EXPECT_EQ(run.forward_offer().implementation, "brgemm:avx512_core");
  EXPECT_FALSE(run.forward_offer().src[1].plain());
}

// Whatever the layout; what is padded stays whole.
TEST_F(InnerProduct, large_gradients_come_in_pieces_with_the_same_bits) {
  const Case cases[] = {{{6, 256, 6, 6}, 512},       {{6, 1024}, 2048},
                        {{6, 1024}, 2048, 1, true},  {{6, 2048, 2, 2}, 512, 1, false, false},
                        {{6, 1000}, 2100, 1, false}, {{6, 1000}, 2100, 1, true}};
  int divided = 0;
  for (const Case& c : cases) {
    SCOPED_TRACE(c.x.text());
    const ops::InnerProduct op = op_of(c);
    const auto inputs = inputs_of(c);
    RunOptions options = c.x.rank() > 2 ? blocked_sources(inputs) : RunOptions{};
    OpRunner whole(engine, op, inputs, options);
    const Values dy = random_values(whole.forward()[0].shape, 4);
    const auto expected = whole.gradient(1, {dy});
    EXPECT_EQ(whole.pieces(), 1);
    options.in_pieces = true;
    OpRunner run(engine, op, inputs, options);
    run.forward();
    const auto found = run.gradient(1, {dy});
    divided += run.pieces() > 1;
    EXPECT_EQ(found[1]->v == expected[1]->v, true) << run.pieces();
    EXPECT_EQ(!c.bias || found[2]->v == expected[2]->v, true) << run.pieces();
  }
  EXPECT_GE(divided, onednn::has_wide_kernels() ? 4 : 1);
}

TEST_F(InnerProduct, small_gradients_stay_whole) {
  const Case c{{6, 512}, 512};
  RunOptions options;
  options.in_pieces = true;
  const ops::InnerProduct op = op_of(c);
  OpRunner run(engine, op, inputs_of(c), options);
  run.gradient(1, {random_values(run.forward()[0].shape, 4)});
  EXPECT_EQ(run.pieces(), 1);
}

TEST_F(InnerProduct, bias_alone_is_refused) {
  const ops::InnerProduct op = op_of(kCases[0]);
  OpRunner run(engine, op, inputs_of(kCases[0]));
  const auto y = run.forward();
  EXPECT_THROW(run.gradient(1, {y[0]}, std::vector<int>{2}), Refused);
  EXPECT_EQ(run.refusal(), "oneDNN computes no bias gradient without the weights'");
}

}  // namespace
}  // namespace crema::test
