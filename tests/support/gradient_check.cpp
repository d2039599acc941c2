#include "support/gradient_check.hpp"

#include <gtest/gtest.h>

namespace crema::test {
namespace {

// sum over the differentiable destinations of <weights, dst>.
double weighted_sum(const ops::Op& op, const std::vector<Values>& dst,
                    const std::vector<std::optional<Values>>& weights) {
  double sum = 0;
  for (const int d : op.differentiable_dst()) {
    const auto at = static_cast<size_t>(d);
    for (size_t i = 0; i < dst[at].v.size(); ++i) sum += dst[at].v[i] * weights[at]->v[i];
  }
  return sum;
}

}  // namespace

void check_gradient(ops::Engine& engine, const ops::Op& op, const std::vector<Values>& inputs,
                    GradientCheck check) {
  RunOptions options;
  options.dtype = DType::kF64;
  options.step = check.at;
  OpRunner runner(engine, op, inputs, options);
  const std::vector<Values> y = runner.forward();
  std::vector<std::optional<Values>> weights(y.size());
  for (const int i : op.differentiable_dst())
    weights[static_cast<size_t>(i)] = random_values(y[static_cast<size_t>(i)].shape, 4711, 0.5, 2);
  const auto value_at = [&](size_t source, size_t element, double offset) {
    std::vector<Values> moved = inputs;
    moved[source].v[element] += offset;
    return weighted_sum(op, OpRunner(engine, op, moved, options).forward(), weights);
  };
  const std::vector<ops::GradientPart> parts = op.gradient();
  for (size_t part = 0; part < parts.size(); ++part) {
    const auto got = runner.gradient(static_cast<int>(part), weights);
    for (const int w : parts[part].wrt) {
      if (check.skip.count(w) > 0) continue;
      const auto source = static_cast<size_t>(w);
      Values expected{inputs[source].shape};
      for (size_t i = 0; i < expected.v.size(); ++i)
        expected.v[i] =
            (value_at(source, i, check.step) - value_at(source, i, -check.step)) / (2 * check.step);
      ASSERT_TRUE(got[source].has_value());
      EXPECT_TRUE(near(*got[source], expected, check.tolerance))
          << op.kind() << ", gradient of source " << w;
    }
  }
}

}  // namespace crema::test
