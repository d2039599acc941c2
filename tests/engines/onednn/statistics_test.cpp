// batch_norm, softmax
#include "ops/statistics.hpp"

#include "blocked.hpp"

namespace crema::test {
namespace {

using Statistics = OneDnn;

std::vector<Values> batch_norm_inputs(const Shape& shape, double factor) {
  const Shape channels{shape[1]};
  return {random_values(shape, 1, 2, 5), random_values(channels, 2, 1, 3),
          random_values(channels, 3, 1, 3), Values(Shape{1}, factor)};
}

TEST_F(Statistics, batch_norm_equals_the_reference_running_sums_included) {
  for (const bool global : {false, true})
    for (const bool training : {false, true})
      for (const Shape& shape : {Shape{4, 16, 5, 7}, Shape{3, 20, 4, 4}, Shape{1, 8, 2, 3},
                                 Shape{2, 16, 3, 4, 5}, Shape{64, 10}})
        for (const bool as_blocks : {false, true}) {
          if (as_blocks && shape.rank() < 4) continue;
          ops::BatchNorm op;
          op.use_global = global;
          op.fraction = 0.9f;
          SCOPED_TRACE(shape.text() + (global ? " global" : "") + (as_blocks ? " blocked" : ""));
          const auto inputs = batch_norm_inputs(shape, 2.5);
          RunOptions options = as_blocks ? blocked_sources(inputs) : RunOptions{};
          options.training = training;
          EXPECT_EQ(expect_same(engine, reference, op, inputs, kTolerance, options), "");
        }
}

TEST_F(Statistics, batch_norm_without_any_sums_yet) {
  ops::BatchNorm op;
  op.use_global = true;
  op.eps = 1e-2f;
  const auto inputs = batch_norm_inputs({2, 16, 3, 3}, 0);
  EXPECT_EQ(expect_same(engine, reference, op, inputs, kTolerance, blocked_sources(inputs)), "");
}

TEST_F(Statistics, batch_norm_leaves_frozen_sums_alone) {
  const ops::BatchNorm op;
  const auto inputs = batch_norm_inputs({2, 16, 3, 3}, 1);
  OpRunner run(engine, op, inputs);
  const ops::Offer& offer = run.forward_offer();
  Arena x(2 * 16 * 9 * 4), y(2 * 16 * 9 * 4), workspace(offer.workspace_bytes),
      scratch(offer.scratch_bytes);
  const void* src[] = {x.data(), nullptr, nullptr, nullptr};
  void* dst[] = {y.data()};
  void* mutated[] = {nullptr, nullptr, nullptr, nullptr};
  ops::KernelArgs args;
  args.src = src;
  args.dst = dst;
  args.mutated = mutated;
  args.workspace = workspace.data();
  args.scratch = scratch.data();
  EXPECT_NO_THROW(offer.kernel->run(args));
}

TEST_F(Statistics, batch_norm_of_too_many_axes_is_refused) {
  const ops::BatchNorm op;
  OpRunner run(engine, op, batch_norm_inputs({2, 3, 2, 2, 2, 2}, 1));
  EXPECT_FALSE(run.accepts());
  EXPECT_EQ(run.refusal(), "channels are told apart in tensors of 2 to 5 axes");
}

TEST_F(Statistics, softmax_equals_the_reference_or_is_refused) {
  int accepted = 0;
  for (const Shape& shape : {Shape{64, 10}, Shape{7, 1000}, Shape{2, 16, 3, 5}, Shape{2, 20, 3, 5}})
    for (int axis = 0; axis < shape.rank(); ++axis)
      for (const bool as_blocks : {false, true}) {
        if (as_blocks && shape.rank() < 4) continue;
        ops::Softmax op;
        op.axis = axis;
        const std::vector<Values> x = {random_values(shape, 1, -9, 9)};
        const RunOptions options = as_blocks ? blocked_sources(x) : RunOptions{};
        OpRunner run(engine, op, x, options);
        if (!run.accepts()) {
          EXPECT_NE(run.refusal().find("ref"), std::string::npos) << run.refusal();
          continue;
        }
        ++accepted;
        const auto refused = expect_same(engine, reference, op, x, kTolerance, options);
        if (refused != "") {
          EXPECT_NE(refused.find("ref"), std::string::npos) << refused;
        }
      }
  if (dnnl::get_effective_cpu_isa() >= dnnl::cpu_isa::avx2) {
    EXPECT_GT(accepted, 0);
  }
}

}  // namespace
}  // namespace crema::test
