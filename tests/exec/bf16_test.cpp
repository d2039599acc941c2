// Whole nets with products in bf16, held against single precision.
#include "exec/net_run.hpp"

namespace crema::exec {
namespace {

#ifdef CREMA_ONEDNN

constexpr auto kBf16 = ops::Precision::kBf16Forced;  // nets are small

// bf16 has 8 bits: a factor is off by up to 1/256, a result by little more. Of gradients, a part is
// lost or gained where a result near the edge of a ReLU or Clip falls on its other side: one in a
// hundred does, and the root of that is how far the vectors are apart.
constexpr double kResults = 0.05, kGradients = 0.25;

// |a - b| <= tolerance |b|, as vectors.
void expect_close(const Result& got, const Result& expected) {
  EXPECT_NEAR(got.loss, expected.loss, kResults * std::max(1.0, std::abs(expected.loss)));
  ASSERT_EQ(got.tensors.size(), expected.tensors.size());
  for (const auto& [name, values] : expected.tensors) {
    const std::vector<float>& other = got.tensors.at(name);
    ASSERT_EQ(other.size(), values.size()) << name;
    double difference = 0, norm = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      difference += std::pow(double{values[i]} - double{other[i]}, 2);
      norm += std::pow(double{values[i]}, 2);
    }
    const double tolerance = name.starts_with("d ") ? kGradients : kResults;
    EXPECT_LE(std::sqrt(difference), tolerance * std::max(std::sqrt(norm), 1e-2)) << name;
  }
}

class Bf16 : public ::testing::TestWithParam<fs::path> {
 protected:
  void SetUp() override {
    OneDnnEngine engine;
    if (const auto support = engine.bf16(); !support.possible) GTEST_SKIP() << support.note;
  }
};
using Bf16Nets = Bf16;

NetRun run_of(const fs::path& file, caffe::Phase phase, const std::set<std::string>& skip = {}) {
  return NetRun(file, phase, skip, false, kBf16);
}

TEST_P(Bf16Nets, agree_with_single_precision) {
  for (const caffe::Phase phase : {caffe::TRAIN, caffe::TEST})
    for (const std::set<std::string>& skip :
         {std::set<std::string>{}, std::set<std::string>{"fuse", "recompute"}}) {
      SCOPED_TRACE(phase == caffe::TRAIN ? "TRAIN" : "TEST");
      SCOPED_TRACE(skip.empty() ? "fused" : "not fused");
      NetRun single(GetParam(), phase, skip), rounded = run_of(GetParam(), phase, skip);
      expect_close(rounded.pass(), single.pass());
    }
}

TEST_P(Bf16Nets, the_same_bits_twice) {
  NetRun a = run_of(GetParam(), caffe::TRAIN), b = run_of(GetParam(), caffe::TRAIN);
  for (int64_t i = 0; i < 2; ++i) EXPECT_EQ(a.pass(i).tensors, b.pass(i).tensors);
}

INSTANTIATE_TEST_SUITE_P(Nets, Bf16Nets, ::testing::ValuesIn(nets()),
                         [](const auto& test) { return test.param.stem().string(); });

using Bf16Plan = Bf16;

size_t stored_as(const plan::Plan& plan, DType type, plan::Storage storage) {
  return static_cast<size_t>(
      std::count_if(plan.tensors.begin(), plan.tensors.end(), [&](const plan::Tensor& tensor) {
        return tensor.desc.stored() == type && plan.buffers[tensor.buffer].storage == storage;
      }));
}

TEST_F(Bf16Plan, parameters_and_their_gradients_are_single_precision) {
  for (const fs::path& net : nets()) {
    const NetRun run = run_of(net, caffe::TRAIN);
    for (const plan::Storage storage :
         {plan::Storage::kParamValue, plan::Storage::kParamGradient, plan::Storage::kInput})
      EXPECT_EQ(stored_as(run.plan(), DType::kBf16, storage), 0u) << net;
  }
}

TEST_F(Bf16Plan, activations_are_kept_in_bf16_and_take_half_the_memory) {
  const NetRun single(net_file("residual"), caffe::TRAIN, {});
  const NetRun rounded = run_of(net_file("residual"), caffe::TRAIN);
  EXPECT_EQ(stored_as(single.plan(), DType::kBf16, plan::Storage::kArena), 0u);
  EXPECT_GT(stored_as(rounded.plan(), DType::kBf16, plan::Storage::kArena), 10u);
  const auto convolutions = [](const plan::Plan& plan, DType type) {
    int n = 0;
    for (const plan::Step& step : plan.steps)
      if (std::string(step.op->kind()).ends_with("convolution") && step.part == ops::kForward)
        n += plan.tensors[step.src[0]].desc.stored() == type;
    return n;
  };
  EXPECT_EQ(convolutions(rounded.plan(), DType::kF32), 0);
  EXPECT_EQ(convolutions(single.plan(), DType::kBf16), 0);
}

TEST_F(Bf16Plan, copies_of_weights_are_made_once_per_update_where_several_passes_follow) {
  NetRun test = run_of(net_file("residual"), caffe::TEST);
  const Result before = test.pass();
  EXPECT_GT(stored_as(test.plan(), DType::kBf16, plan::Storage::kDerived), 0u);
  EXPECT_EQ(test.pass().tensors, before.tensors);
  std::vector<float> weights = test.params().value(0);
  for (float& w : weights) w *= 2;
  test.params().set_value(0, weights);
  EXPECT_NE(test.pass().tensors, before.tensors);
}

TEST_F(Bf16Plan, what_is_computed_again_has_the_same_bits) {
  for (const char* net : {"residual", "inception", "frozen_statistics"}) {
    NetRun kept = run_of(net_file(net), caffe::TRAIN, {"recompute"});
    NetRun again = run_of(net_file(net), caffe::TRAIN);
    for (int64_t i = 0; i < 2; ++i) EXPECT_EQ(again.pass(i).tensors, kept.pass(i).tensors) << net;
  }
}

TEST_F(Bf16Plan, a_budget_changes_no_bit) {
  plan::RecomputeOptions recompute;
  const auto run = [&] {
    return NetRun(net_file("cheap_layers"), caffe::TRAIN, {}, false, kBf16, recompute);
  };
  recompute.mode = plan::Recompute::kNone;
  NetRun kept = run();
  recompute.mode = plan::Recompute::kAuto;
  recompute.budget = kept.plan().arena_bytes * 9 / 10;
  NetRun again = run();
  EXPECT_GT(again.plan().recomputed.results, 0u);
  EXPECT_LE(again.plan().arena_bytes, recompute.budget);
  for (int64_t i = 0; i < 2; ++i) EXPECT_EQ(again.pass(i).tensors, kept.pass(i).tensors);
}

#endif

}  // namespace
}  // namespace crema::exec
