// fused_batch_norm, fused_convolution, fused_inner_product: against the reference's ops in a row.
#include "ops/fused.hpp"

#include "base/parallel.hpp"
#include "base/simd.hpp"
#include "blocked.hpp"

namespace crema::test {
namespace {

ops::Eltwise sum_of_two() {
  ops::Eltwise sum;
  sum.sources = 2;
  sum.coefficients = {1, 1};
  return sum;
}

class Fused : public OneDnn {
 protected:
  ~Fused() override { simd::limit_isa(simd::Isa::kAvx512); }

  // y = function(x + z), dst first
  Values after(Values x, const std::optional<Values>& z, const ops::Unary* function) {
    if (z) {
      const ops::Eltwise sum = sum_of_two();
      x = OpRunner(reference, sum, {x, *z}).forward()[0];
    }
    if (function != nullptr) x = OpRunner(reference, *function, {x}).forward()[0];
    return x;
  }
};

ops::Unary relu() {
  return {};
}

struct NormCase {
  bool global, scale, shift, sum, relu;
};

// The reference's ops one after the other, forward and backward.
class Chain {
 public:
  Chain(ops::Engine& engine, const ops::FusedBatchNorm& op, const std::vector<Values>& inputs)
      : op_(op), norm_(engine, op_.norm, {inputs.begin(), inputs.begin() + 4}) {
    y.push_back(norm_.forward()[0]);
    if (op_.scale) {
      affine_.bias = op_.shift;
      std::vector<Values> src = {y.back(), inputs[4]};
      if (op_.shift) src.push_back(inputs[5]);
      scale_.emplace(engine, affine_, src);
      y.push_back(scale_->forward()[0]);
    }
    if (op_.sum) {
      sum_.emplace(engine, eltwise_, std::vector<Values>{y.back(), inputs.back()});
      y.push_back(sum_->forward()[0]);
    }
    if (op_.relu) {
      relu_.emplace(engine, function_, std::vector<Values>{y.back()});
      y.push_back(relu_->forward()[0]);
    }
  }

  std::vector<std::optional<Values>> gradient(Values g) {
    std::vector<std::optional<Values>> out(4 + op_.scale + op_.shift + op_.sum);
    if (op_.relu) g = *relu_->gradient(0, {g})[0];
    if (op_.sum) out.back() = g;
    if (op_.scale) {
      out[4] = scale_->gradient(1, {g})[1];
      if (op_.shift) out[5] = scale_->gradient(2, {g})[2];
      g = *scale_->gradient(0, {g})[0];
    }
    out[0] = norm_.gradient(0, {g})[0];
    return out;
  }

  Values statistic(int i) { return norm_.source(i); }
  std::vector<Values> y;

 private:
  ops::FusedBatchNorm op_;
  ops::Scale affine_;
  ops::Eltwise eltwise_ = sum_of_two();
  ops::Unary function_;
  OpRunner norm_;
  std::optional<OpRunner> scale_, sum_, relu_;
};

std::vector<Values> norm_inputs(const ops::FusedBatchNorm& op, const Shape& shape) {
  const Shape channels{shape[1]};
  std::vector<Values> out = {random_values(shape, 1, 2, 5), random_values(channels, 2, 1, 3),
                             random_values(channels, 3, 1, 3), Values(Shape{1}, 2.5)};
  if (op.scale) out.push_back(random_values(channels, 4, -1, 2));
  if (op.shift) out.push_back(random_values(channels, 5));
  if (op.sum) out.push_back(random_values(shape, 6));
  return out;
}

void expect_norm(ops::Engine& engine, ops::Engine& reference, const ops::FusedBatchNorm& op,
                 const Shape& shape, const RunOptions& options) {
  const std::vector<Values> inputs = norm_inputs(op, shape);
  OpRunner run(engine, op, inputs, options);
  Chain chain(reference, op, inputs);
  const Values y = run.forward()[0];
  EXPECT_TRUE(near(y, chain.y.back(), kTolerance));
  for (const int i : {1, 2, 3}) EXPECT_TRUE(near(run.source(i), chain.statistic(i), kTolerance));
  const Values dy = random_values(shape, 7);
  const auto got = run.gradient(0, {dy}), expected = chain.gradient(dy);
  for (size_t i = 0; i < got.size(); ++i) {
    if (!expected[i]) continue;
    EXPECT_TRUE(near(*got[i], *expected[i], kTolerance)) << "source " << i;
  }
  // One at a time: frozen parameters, or nothing below that learns.
  const ops::GradientPart part = op.gradient()[0];
  for (const int i : part.wrt) {
    const auto alone = run.gradient(0, {dy}, std::vector<int>{i});
    EXPECT_EQ(alone[static_cast<size_t>(i)]->v, got[static_cast<size_t>(i)]->v) << "source " << i;
  }
}

TEST_F(Fused, fused_batch_norm_equals_its_parts) {
  using Tag = dnnl::memory::format_tag;
  for (const simd::Isa isa : {simd::Isa::kBaseline, simd::Isa::kAvx2, simd::Isa::kAvx512}) {
    simd::limit_isa(isa);
    for (const Shape& shape : {Shape{4, 16, 5, 7}, Shape{3, 20, 4, 4}, Shape{1, 8, 2, 3}})
      for (const auto& tag : {std::optional<Tag>(), {Tag::aBcd8b}, {Tag::aBcd16b}, {Tag::acdb}})
        for (int bits = 0; bits < 32; ++bits) {
          ops::FusedBatchNorm op;
          op.norm.use_global = bits & 1;
          op.scale = bits & 2;
          op.shift = bits & 4;
          op.sum = bits & 8;
          op.relu = bits & 16;
          if (op.shift && !op.scale) continue;
          SCOPED_TRACE(shape.text() + " " + op.describe());
          RunOptions options;
          if (tag) options.src_layouts = {with_tag(shape, *tag)};
          options.diff_dst_like_dst = tag.has_value();
          expect_norm(engine, reference, op, shape, options);
        }
  }
}

TEST_F(Fused, fused_batch_norm_does_not_depend_on_the_number_of_threads) {
  ops::FusedBatchNorm op;
  op.scale = op.shift = op.relu = true;
  const Shape shape{4, 32, 9, 11};
  const std::vector<Values> inputs = norm_inputs(op, shape);
  RunOptions options;
  options.src_layouts = {with_tag(shape, dnnl::memory::format_tag::aBcd16b)};
  const int before = compute_threads();
  std::optional<std::vector<double>> y, dx;
  for (const int threads : {1, 2, 5}) {  // 2 blocks of channels: by block, then by image
    start_compute_threads(threads);
    OpRunner run(engine, op, inputs, options);
    const std::vector<double> now = run.forward()[0].v;
    const std::vector<double> gradient = run.gradient(0, {random_values(shape, 8)})[0]->v;
    EXPECT_EQ(now, y.value_or(now)) << threads;
    EXPECT_EQ(gradient, dx.value_or(gradient)) << threads;
    y = now;
    dx = gradient;
  }
  start_compute_threads(before);
}

TEST_F(Fused, fused_batch_norm_of_values_far_from_zero) {
  const ops::FusedBatchNorm op;
  std::vector<Values> inputs = norm_inputs(op, {8, 16, 13, 13});
  for (double& x : inputs[0].v) x = static_cast<float>(x + 1000);
  OpRunner run(engine, op, inputs);
  Chain chain(reference, op, inputs);
  EXPECT_TRUE(near(run.forward()[0], chain.y.back(), 1e-3));
}

TEST_F(Fused, fused_batch_norm_shows_what_is_not_a_number) {
  ops::FusedBatchNorm op;
  op.relu = true;
  std::vector<Values> inputs = norm_inputs(op, {2, 16, 3, 3});
  inputs[0].v[5] = std::nan("");
  const Values y = OpRunner(engine, op, inputs).forward()[0];
  EXPECT_TRUE(std::any_of(y.v.begin(), y.v.end(), [](double v) { return std::isnan(v); }));
}

TEST_F(Fused, fused_convolution_equals_its_parts) {
  ops::Unary elu;
  elu.function = ops::Function::kElu;
  elu.p = 0.7;
  ops::Unary clip;
  clip.function = ops::Function::kClip;
  clip.p = -0.5;
  clip.q = 1;
  ops::Unary leaky;
  leaky.p = 0.1;
  const ops::Unary plain = relu();
  struct Size {
    Shape x;
    int64_t outputs, kernel, pad;
  };
  int accepted = 0, refused = 0;
  for (const Size& size : {Size{{2, 16, 24, 24}, 32, 3, 1}, Size{{2, 20, 9, 9}, 50, 5, 0},
                           Size{{2, 32, 7, 7}, 48, 1, 0}, Size{{2, 3, 21, 21}, 16, 7, 3}})
    for (const ops::Unary* function :
         std::vector<const ops::Unary*>{nullptr, &plain, &elu, &clip, &leaky})
      for (const bool sum : {false, true}) {
        ops::FusedConvolution op;
        op.convolution.kernel = {size.kernel, size.kernel};
        op.convolution.stride = op.convolution.dilation = {1, 1};
        op.convolution.pad = {size.pad, size.pad};
        if (function != nullptr) op.post.function = std::make_shared<const ops::Unary>(*function);
        op.post.sum = sum;
        SCOPED_TRACE(size.x.text() + " " + op.describe());
        std::vector<Values> inputs = {
            random_values(size.x, 1),
            random_values({size.outputs, size.x[1], size.kernel, size.kernel}, 2),
            random_values({size.outputs}, 3)};
        const Values y = OpRunner(reference, op.convolution, inputs).forward()[0];
        std::optional<Values> z;
        if (sum) inputs.push_back(*(z = random_values(y.shape, 4)));
        OpRunner run(engine, op, inputs);
        if (!run.accepts()) {
          EXPECT_EQ(run.refusal(), "Winograd's algorithm is followed by ReLU only");
          ++refused;
          continue;
        }
        ++accepted;
        EXPECT_TRUE(near(run.forward()[0], after(y, z, function), kTolerance));
        if (sum) {
          EXPECT_EQ(run.forward_offer().src.back(), run.forward_offer().dst[0]);
        }
      }
  EXPECT_GT(accepted, 20);
  EXPECT_LE(refused, 6);
}

TEST_F(Fused, fused_inner_product_equals_its_parts) {
  ops::Unary tanh;
  tanh.function = ops::Function::kTanh;
  const ops::Unary plain = relu();
  for (const Shape& x : {Shape{8, 100}, Shape{5, 16, 3, 3}})
    for (const ops::Unary* function : std::vector<const ops::Unary*>{&plain, &tanh}) {
      ops::FusedInnerProduct op;
      op.post.function = std::make_shared<const ops::Unary>(*function);
      const std::vector<Values> inputs = {random_values(x, 1), random_values({40, x.count(1)}, 2),
                                          random_values({40}, 3)};
      const Values y = OpRunner(reference, op.product, inputs).forward()[0];
      OpRunner run(engine, op, inputs);
      ASSERT_TRUE(run.accepts()) << run.refusal();
      EXPECT_TRUE(near(run.forward()[0], after(y, {}, function), kTolerance));
    }
  ops::FusedInnerProduct op;
  op.post.sum = true;
  OpRunner run(engine, op,
               {Values(Shape{2, 3}), Values(Shape{4, 3}), Values(Shape{4}), Values(Shape{2, 4})});
  EXPECT_FALSE(run.accepts());
  EXPECT_EQ(run.refusal(), "no sum after an inner product");
}

TEST_F(Fused, functions_without_a_post_op_are_refused) {
  ops::Unary log;
  log.function = ops::Function::kLog;
  ops::FusedInnerProduct op;
  op.post.function = std::make_shared<const ops::Unary>(log);
  OpRunner run(engine, op, {Values(Shape{2, 3}), Values(Shape{4, 3}), Values(Shape{4})});
  EXPECT_FALSE(run.accepts());
  EXPECT_EQ(run.refusal(), "no post-op for " + log.describe());
}

}  // namespace
}  // namespace crema::test
