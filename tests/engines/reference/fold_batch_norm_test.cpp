#include "ops/fused.hpp"
#include "ops/linear.hpp"
#include "ops/pointwise.hpp"
#include "run.hpp"

namespace crema::test {
namespace {

// A folded convolution computes what convolution, normalisation and scale compute.
TEST(FoldBatchNorm, fold_batch_norm_replaces_normalisation_and_scale) {
  ReferenceEngine engine;
  for (const bool bias : {false, true})
    for (const bool scaled : {false, true}) {
      ops::Convolution conv;
      conv.kernel = {3, 2};
      conv.stride = {1, 1};
      conv.pad = {1, 0};
      conv.dilation = {1, 1};
      conv.groups = 2;
      conv.bias = bias;
      const Values x = random_values({2, 4, 5, 6}, 1), w = random_values({6, 2, 3, 2}, 2);
      const Values b = random_values({6}, 3), mean = random_values({6}, 4);
      const Values variance = random_values({6}, 5, 0.5, 2), factor(Shape{1}, 2.5);
      const Values gamma = random_values({6}, 6), beta = random_values({6}, 7);
      RunOptions f64;
      f64.dtype = DType::kF64;

      std::vector<Values> inputs = {x, w};
      if (bias) inputs.push_back(b);
      Values y = OpRunner(engine, conv, inputs, f64).forward()[0];
      ops::BatchNorm norm;
      norm.use_global = true;
      norm.eps = 1e-3f;
      y = OpRunner(engine, norm, {y, mean, variance, factor}, f64).forward()[0];
      ops::Scale scale;
      scale.bias = true;
      if (scaled) y = OpRunner(engine, scale, {y, gamma, beta}, f64).forward()[0];

      ops::FoldBatchNorm fold;
      fold.eps = norm.eps;
      fold.bias = bias;
      fold.scale = fold.shift = scaled;
      std::vector<Values> sources = {w};
      if (bias) sources.push_back(b);
      sources.insert(sources.end(), {mean, variance, factor});
      if (scaled) sources.insert(sources.end(), {gamma, beta});
      const auto folded = OpRunner(engine, fold, sources, f64).forward();
      conv.bias = true;
      const Values got = OpRunner(engine, conv, {x, folded[0], folded[1]}, f64).forward()[0];
      EXPECT_TRUE(near(got, y, 1e-12)) << bias << scaled;
    }
}

}  // namespace
}  // namespace crema::test
