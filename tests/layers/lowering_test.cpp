// What the emitted ops say, and what the signatures promise.
#include <gmock/gmock.h>

#include "ops/custom.hpp"
#include "ops/linear.hpp"
#include "ops/loss.hpp"
#include "ops/pointwise.hpp"
#include "ops/shape_ops.hpp"
#include "ops/spatial.hpp"
#include "ops/statistics.hpp"
#include "support/fake_layer.hpp"

namespace crema {
namespace {

using test::FakeLayer;
using test::layer_from;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;

const Shape kImage{2, 4, 6, 6};

using test::make;
using test::signature;

TEST(Lowering, ConvolutionReadsBothFormsOfItsSettings) {
  const FakeLayer pair = make(
      "type: 'Convolution' top: 't' convolution_param { num_output: 6 group: 2 kernel_h: 1 "
      "kernel_w: 3 stride_h: 2 stride_w: 4 pad_w: 5 dilation: 1 dilation: 2 }",
      {kImage});
  const auto& op = pair.to.op<ops::Convolution>(0);
  EXPECT_THAT(op.kernel, ElementsAre(1, 3));
  EXPECT_THAT(op.stride, ElementsAre(2, 4));
  EXPECT_THAT(op.pad, ElementsAre(0, 5));
  EXPECT_THAT(op.dilation, ElementsAre(1, 2));
  EXPECT_EQ(op.groups, 2);
  EXPECT_TRUE(op.bias);
  EXPECT_THAT(pair.to.ops[0].src, ElementsAre(0, 1, 2)) << "bottom, weight, bias";
  const FakeLayer list = make(
      "type: 'Convolution' top: 't' convolution_param { num_output: 2 kernel_size: 3 stride: 2 "
      "pad: 1 bias_term: false }",
      {kImage});
  EXPECT_THAT(list.to.op<ops::Convolution>(0).kernel, ElementsAre(3, 3));
  EXPECT_THAT(list.to.op<ops::Convolution>(0).stride, ElementsAre(2, 2));
  EXPECT_THAT(list.to.op<ops::Convolution>(0).pad, ElementsAre(1, 1));
  EXPECT_FALSE(list.to.op<ops::Convolution>(0).bias);
  EXPECT_THAT(list.to.ops[0].src, ElementsAre(0, 1));
}

TEST(Lowering, GradientScaleFollowsItsFactorOrSchedule) {
  const FakeLayer fixed =
      make("type: 'GradientScale' top: 't' gradient_scale_param { factor: -0.5 }", {kImage});
  EXPECT_EQ(fixed.to.op<ops::GradientScale>(0).factor(0), -0.5);
  EXPECT_EQ(fixed.to.op<ops::GradientScale>(0).factor(1000), -0.5);
  EXPECT_TRUE(fixed.to.op<ops::GradientScale>(0).view());
  const FakeLayer timed = make(
      "type: 'GradientScale' top: 't' gradient_scale_param { factor_schedule { point { at: 0 "
      "value: "
      "1 } point { at: 5 value: 3 } } }",
      {kImage});
  EXPECT_EQ(timed.to.op<ops::GradientScale>(0).factor(4), 1);
  EXPECT_EQ(timed.to.op<ops::GradientScale>(0).factor(5), 3);
  EXPECT_THAT(signature("type: 'GradientScale' gradient_scale_param { factor: 0 }").cut_bottoms,
              ElementsAre(0));
  EXPECT_THAT(signature("type: 'GradientScale'").cut_bottoms, ElementsAre());
}

TEST(Lowering, BatchNormUsesAndKeepsFrozenStatistics) {
  const auto param = layer_from(
      "type: 'BatchNorm' top: 't' batch_norm_param { use_global_stats: false } phase: TRAIN");
  for (const bool frozen : {false, true}) {
    test::FakeInference in(param, {kImage});
    const auto layer = test::make_layer("BatchNorm");
    layer->infer(in);
    test::FakeLowering to(in);
    to.frozen_statistics = frozen;
    layer->lower(to);
    EXPECT_EQ(to.op<ops::BatchNorm>(0).use_global, frozen);
    EXPECT_EQ(to.op<ops::BatchNorm>(0).mutates().empty(), frozen);
  }
}

TEST(Lowering, ConvolutionSharesItsWeightsAmongBottoms) {
  const FakeLayer layer = make(
      "type: 'Convolution' top: 'a' top: 'b' convolution_param { num_output: 2 kernel_size: 3 }",
      {kImage, kImage});
  ASSERT_EQ(layer.in.params().size(), 2u);
  EXPECT_THAT(layer.to.ops[0].src, ElementsAre(0, 2, 3));
  EXPECT_THAT(layer.to.ops[1].src, ElementsAre(1, 2, 3));
}

TEST(Lowering, ConvolutionKeepsItsFillers) {
  const FakeLayer layer = make(
      "type: 'Convolution' top: 't' convolution_param { num_output: 2 kernel_size: 3 "
      "weight_filler { type: 'msra' } bias_filler { value: 0.5 } }",
      {kImage});
  EXPECT_EQ(layer.in.params()[0].filler.type(), "msra");
  EXPECT_EQ(layer.in.params()[1].filler.value(), 0.5f);
  EXPECT_FALSE(layer.in.params()[0].state);
}

TEST(Lowering, Pooling) {
  const FakeLayer max = make(
      "type: 'Pooling' top: 't' top: 'm' pooling_param { kernel_h: 3 kernel_w: 2 stride: 2 pad_h: "
      "1 "
      "pad_w: 0 }",
      {kImage});
  const auto& op = max.to.op<ops::Pooling>(0);
  EXPECT_EQ(op.method, ops::PoolMethod::kMax);
  EXPECT_THAT((std::vector{op.kernel_h, op.kernel_w, op.stride_h, op.stride_w, op.pad_h, op.pad_w}),
              ElementsAre(3, 2, 2, 2, 1, 0));
  EXPECT_TRUE(op.mask);
  const FakeLayer ave =
      make("type: 'Pooling' top: 't' pooling_param { pool: AVE global_pooling: true }",
           {Shape{1, 2, 3, 5}});
  EXPECT_EQ(ave.to.op<ops::Pooling>(0).method, ops::PoolMethod::kAverage);
  EXPECT_EQ(ave.to.op<ops::Pooling>(0).kernel_h, 3);
  EXPECT_EQ(ave.to.op<ops::Pooling>(0).kernel_w, 5);
  EXPECT_FALSE(ave.to.op<ops::Pooling>(0).mask);
}

TEST(Lowering, PoolingRoundsInFloat32AsCaffe) {
  // 2^24 + 1 steps are not a float32: the quotient is 2^24.
  const int64_t width = (int64_t{1} << 24) + 2;
  const FakeLayer layer =
      make("type: 'Pooling' top: 't' pooling_param { kernel_size: 1 }", {Shape{1, 1, 1, width}});
  EXPECT_EQ(layer.in.top_shapes()[0][3], width - 1);
}

TEST(Lowering, InnerProduct) {
  const FakeLayer layer = make(
      "type: 'InnerProduct' top: 't' inner_product_param { num_output: 3 axis: -2 transpose: true "
      "bias_term: false }",
      {kImage});
  const auto& op = layer.to.op<ops::InnerProduct>(0);
  EXPECT_EQ(op.axis, 2);
  EXPECT_TRUE(op.transpose);
  EXPECT_FALSE(op.bias);
  EXPECT_THAT(layer.to.ops[0].src, ElementsAre(0, 1));
}

TEST(Lowering, ReLU_Sigmoid_TanH_Power) {
  const auto unary = [](const std::string& text) {
    return make(text + " top: 't'", {kImage}).to.op<ops::Unary>(0);
  };
  EXPECT_EQ(unary("type: 'ReLU'").function, ops::Function::kRelu);
  EXPECT_EQ(unary("type: 'ReLU'").p, 0);
  EXPECT_EQ(unary("type: 'ReLU' relu_param { negative_slope: 0.25 }").p, 0.25);
  EXPECT_EQ(unary("type: 'Sigmoid'").function, ops::Function::kSigmoid);
  EXPECT_EQ(unary("type: 'TanH'").function, ops::Function::kTanh);
  const ops::Unary power = unary("type: 'Power' power_param { power: 3 scale: 2 shift: -1 }");
  EXPECT_EQ(power.function, ops::Function::kPower);
  EXPECT_EQ(power.p, 3);
  EXPECT_EQ(power.q, 2);
  EXPECT_EQ(power.r, -1);
  EXPECT_EQ(unary("type: 'Power'").p, 1);
  EXPECT_EQ(unary("type: 'Power'").q, 1);
}

TEST(Lowering, LRN) {
  const FakeLayer across =
      make("type: 'LRN' top: 't' lrn_param { local_size: 3 alpha: 0.5 beta: 0.25 k: 2 }", {kImage});
  const auto& op = across.to.op<ops::Lrn>(0);
  EXPECT_FALSE(op.within_channel);
  EXPECT_EQ(op.size, 3);
  EXPECT_EQ(op.alpha, 0.5f);
  EXPECT_EQ(op.beta, 0.25f);
  EXPECT_EQ(op.k, 2);
  const FakeLayer within =
      make("type: 'LRN' top: 't' lrn_param { norm_region: WITHIN_CHANNEL k: 2 }", {kImage});
  EXPECT_TRUE(within.to.op<ops::Lrn>(0).within_channel);
  EXPECT_EQ(within.to.op<ops::Lrn>(0).k, 1) << "k has no effect there";
}

TEST(Lowering, DropoutDrawsFromItsOwnStreamAndOnlyInTraining) {
  const FakeLayer train = make(
      "name: 'drop6' type: 'Dropout' top: 't' dropout_param { dropout_ratio: 0.75 }", {kImage});
  EXPECT_EQ(train.to.op<ops::Dropout>(0).ratio, 0.75f);
  EXPECT_EQ(train.to.op<ops::Dropout>(0).stream, "drop6");
  const FakeLayer test = make("type: 'Dropout' top: 't' phase: TEST", {kImage});
  EXPECT_THAT(test.to.top_ids, ElementsAre(0)) << "the bottom itself";
}

TEST(Lowering, Softmax) {
  const FakeLayer layer = make("type: 'Softmax' top: 't' softmax_param { axis: -3 }", {kImage});
  EXPECT_EQ(layer.to.op<ops::Softmax>(0).axis, 1);
}

TEST(Lowering, SoftmaxWithLossNormalization) {
  const auto made = [](const std::string& loss_param) {
    return make("name: 'loss' type: 'SoftmaxWithLoss' top: 't' loss_param { " + loss_param + " }",
                {Shape{3, 6}, Shape{3}})
        .to.op<ops::SoftmaxLoss>(0);
  };
  using ops::Normalization;
  EXPECT_EQ(made("").normalization, Normalization::kValid);
  EXPECT_EQ(made("normalize: false").normalization, Normalization::kBatchSize);
  EXPECT_EQ(made("normalize: true").normalization, Normalization::kValid);
  EXPECT_EQ(made("normalization: FULL").normalization, Normalization::kFull);
  EXPECT_EQ(made("normalization: VALID").normalization, Normalization::kValid);
  EXPECT_EQ(made("normalization: BATCH_SIZE").normalization, Normalization::kBatchSize);
  EXPECT_EQ(made("normalization: NONE").normalization, Normalization::kNone);
  EXPECT_EQ(made("normalize: false normalization: FULL").normalization, Normalization::kFull);
  EXPECT_FALSE(made("").ignore_label.has_value());
  EXPECT_EQ(made("ignore_label: 255").ignore_label, 255);
  EXPECT_EQ(made("").layer, "loss");
}

TEST(Lowering, SigmoidCrossEntropyLossNormalization) {
  const auto made = [](const std::string& loss_param) {
    return make("type: 'SigmoidCrossEntropyLoss' top: 't' loss_param { " + loss_param + " }",
                {Shape{3, 6}, Shape{3, 6}})
        .to.op<ops::SigmoidCrossEntropyLoss>(0);
  };
  EXPECT_EQ(made("").normalization, ops::Normalization::kBatchSize);
  EXPECT_EQ(made("normalize: true").normalization, ops::Normalization::kValid);
  EXPECT_EQ(made("normalization: NONE").normalization, ops::Normalization::kNone);
  EXPECT_EQ(made("ignore_label: 0").ignore_label, 0);
}

TEST(Lowering, Accuracy) {
  const FakeLayer layer = make(
      "name: 'acc' type: 'Accuracy' top: 'a' top: 'c' accuracy_param { top_k: 5 axis: -1 "
      "ignore_label: 0 }",
      {Shape{2, 3, 6}, Shape{2, 3}});
  const auto& op = layer.to.op<ops::Accuracy>(0);
  EXPECT_EQ(op.axis, 2);
  EXPECT_EQ(op.top_k, 5);
  EXPECT_EQ(op.ignore_label, 0);
  EXPECT_TRUE(op.per_class);
  EXPECT_EQ(op.layer, "acc");
}

TEST(Lowering, Eltwise) {
  const auto made = [](const std::string& param) {
    return make("type: 'Eltwise' top: 't' eltwise_param { " + param + " }", {kImage, kImage})
        .to.op<ops::Eltwise>(0);
  };
  EXPECT_EQ(made("").method, ops::EltwiseMethod::kSum);
  EXPECT_EQ(made("").sources, 2);
  EXPECT_THAT(made("").coefficients, ElementsAre(1, 1));
  EXPECT_THAT(made("coeff: 1 coeff: -0.5").coefficients, ElementsAre(1, -0.5f));
  EXPECT_EQ(made("operation: MAX").method, ops::EltwiseMethod::kMax);
  EXPECT_EQ(made("operation: PROD").method, ops::EltwiseMethod::kProduct);
  EXPECT_TRUE(made("operation: PROD").stable_product_gradient);
  EXPECT_FALSE(made("operation: PROD stable_prod_grad: false").stable_product_gradient);
}

TEST(Lowering, ConcatSplitFlatten) {
  const FakeLayer concat =
      make("type: 'Concat' top: 't' concat_param { axis: -2 }", {kImage, kImage, kImage});
  EXPECT_EQ(concat.to.op<ops::Concat>(0).axis, 2);
  EXPECT_EQ(concat.to.op<ops::Concat>(0).sources, 3);
  EXPECT_THAT(concat.to.ops[0].src, ElementsAre(0, 1, 2));
  EXPECT_THAT(make("type: 'Concat' top: 't'", {kImage}).to.top_ids, ElementsAre(0));
  EXPECT_THAT(make("type: 'Split' top: 'a' top: 'b'", {kImage}).to.top_ids, ElementsAre(0, 0));
  const FakeLayer flatten = make("type: 'Flatten' top: 't' flatten_param { axis: -2 }", {kImage});
  EXPECT_EQ(flatten.to.op<ops::Reshape>(0).shape, (Shape{2, 4, 36}));
}

TEST(Lowering, BatchNormKeepsStatisticsAsState) {
  const FakeLayer train =
      make("type: 'BatchNorm' top: 't' batch_norm_param { eps: 0.5 moving_average_fraction: 0.9 }",
           {kImage});
  for (const auto& decl : train.in.params()) {
    EXPECT_TRUE(decl.state) << decl.name;
    EXPECT_EQ(decl.filler.type(), "constant");
    EXPECT_EQ(decl.filler.value(), 0);
  }
  EXPECT_EQ(train.to.op<ops::BatchNorm>(0).eps, 0.5f);
  EXPECT_EQ(train.to.op<ops::BatchNorm>(0).fraction, 0.9f);
  EXPECT_THAT(train.to.ops[0].src, ElementsAre(0, 1, 2, 3));
  const auto global = [](const std::string& text) {
    return make("type: 'BatchNorm' top: 't' " + text, {kImage}).to.op<ops::BatchNorm>(0).use_global;
  };
  EXPECT_FALSE(global("phase: TRAIN"));
  EXPECT_TRUE(global("phase: TEST"));
  EXPECT_TRUE(global("phase: TRAIN batch_norm_param { use_global_stats: true }"));
  EXPECT_FALSE(global("phase: TEST batch_norm_param { use_global_stats: false }"));
}

TEST(Lowering, ScaleStartsAtOneUnlessAFillerIsPresent) {
  const auto value = [](const std::string& param) {
    return make("type: 'Scale' top: 't' scale_param { " + param + " }", {kImage})
        .in.params()[0]
        .filler.value();
  };
  EXPECT_EQ(value(""), 1);
  EXPECT_EQ(value("filler {}"), 0) << "as in Caffe";
  EXPECT_EQ(value("filler { value: 3 }"), 3);
}

TEST(Lowering, ScaleTakesItsOperandsFromBlobsOrBottoms) {
  const FakeLayer learned = make(
      "type: 'Scale' top: 't' scale_param { axis: -3 bias_term: true bias_filler { value: 0.5 } }",
      {kImage});
  EXPECT_THAT(learned.to.ops[0].src, ElementsAre(0, 1, 2));
  EXPECT_EQ(learned.to.op<ops::Scale>(0).axis, 1);
  EXPECT_TRUE(learned.to.op<ops::Scale>(0).bias);
  EXPECT_EQ(learned.in.params()[1].filler.value(), 0.5f);
  const FakeLayer bottoms =
      make("type: 'Scale' bottom: 'x' bottom: 's' top: 'x' scale_param { bias_term: true }",
           {kImage, Shape{4}});
  EXPECT_THAT(bottoms.to.ops[0].src, ElementsAre(0, 1, 2));
  ASSERT_EQ(bottoms.in.params().size(), 1u);
  EXPECT_EQ(bottoms.in.params()[0].name, "bias");
  const FakeLayer scalar = make("type: 'Scale' top: 't'", {kImage, Shape{}});
  EXPECT_EQ(scalar.to.op<ops::Scale>(0).axis, 0);
  EXPECT_FALSE(scalar.to.op<ops::Scale>(0).bias);
}

TEST(Lowering, Bias) {
  const FakeLayer learned =
      make("type: 'Bias' top: 't' bias_param { axis: 2 filler { value: 2 } }", {kImage});
  EXPECT_EQ(learned.to.op<ops::Bias>(0).axis, 2);
  EXPECT_EQ(learned.in.params()[0].filler.value(), 2);
  const FakeLayer bottoms = make("type: 'Bias' top: 't'", {kImage, Shape{4, 6}});
  EXPECT_TRUE(bottoms.in.params().empty());
  EXPECT_THAT(bottoms.to.ops[0].src, ElementsAre(0, 1));
}

TEST(Lowering, InputAndParameter) {
  const FakeLayer input =
      make("type: 'Input' top: 'a' top: 'b' input_param { shape { dim: 2 } }", {});
  EXPECT_THAT(input.to.inputs, ElementsAre(0, 1));
  EXPECT_TRUE(input.to.ops.empty());
  const FakeLayer parameter =
      make("type: 'Parameter' top: 't' parameter_param { shape { dim: 3 } }", {});
  EXPECT_THAT(parameter.to.top_ids, ElementsAre(0)) << "the blob itself";
  EXPECT_EQ(parameter.in.params()[0].name, "value");
}

template <class T>
std::vector<T> dummy_values(const FakeLayer& layer, size_t top, const ops::StepInfo& step) {
  const auto& op = layer.to.op<ops::Custom>(top);
  std::vector<T> out(static_cast<size_t>(layer.in.top_shapes()[top].count()));
  ops::CustomArgs<T> args{.src = {}, .diff_dst = {}, .dst = {out}, .diff_src = {}, .step = step};
  if constexpr (std::is_same_v<T, float>)
    op.forward32(args);
  else
    op.forward64(args);
  return out;
}

TEST(Lowering, DummyDataIsAFunctionOfSeedPassAndName) {
  const FakeLayer layer = make(
      "name: 'd' type: 'DummyData' top: 'a' top: 'b' top: 'c' dummy_data_param { shape { dim: 2 "
      "dim: 50 } data_filler { type: 'gaussian' } data_filler { type: 'gaussian' } data_filler { "
      "value: 7 } }",
      {});
  const ops::StepInfo first{.seed = 1, .iteration = 0, .pass = 0}, next{.seed = 1, .pass = 1};
  const auto a = dummy_values<float>(layer, 0, first);
  EXPECT_EQ(a, dummy_values<float>(layer, 0, first));
  EXPECT_NE(a, dummy_values<float>(layer, 0, next)) << "drawn anew at every pass";
  EXPECT_NE(a, dummy_values<float>(layer, 0, {.seed = 2}));
  EXPECT_NE(a, dummy_values<float>(layer, 1, first)) << "each top has its own stream";
  EXPECT_THAT(dummy_values<double>(layer, 0, first), ElementsAreArray(a));
  EXPECT_THAT(dummy_values<float>(layer, 2, first), Each(7.0f));
  EXPECT_THAT(dummy_values<float>(layer, 2, next), Each(7.0f));
}

TEST(Lowering, Slice) {
  const FakeLayer layer =
      make("type: 'Slice' top: 'a' top: 'b' slice_param { slice_point: 1 }", {Shape{2, 3, 2}});
  EXPECT_EQ(layer.to.op<ops::Slice>(0).axis, 1);
  EXPECT_THAT(layer.to.op<ops::Slice>(0).cuts, ElementsAre(0, 1, 3));
  EXPECT_THAT(layer.to.op<ops::Slice>(0).differentiable_dst(), ElementsAre(0, 1));
}

TEST(Signature, CountsAreCaffes) {
  constexpr int kAny = layers::Signature::kAny;
  const auto counts = [](const std::string& text) {
    const layers::Signature s = signature(text);
    return std::vector{s.min_bottoms, s.max_bottoms, s.min_tops, s.max_tops};
  };
  for (const char* type : {"ReLU", "Sigmoid", "TanH", "Power", "LRN", "Dropout", "Softmax",
                           "BatchNorm", "InnerProduct", "Flatten", "Reshape"})
    EXPECT_THAT(counts(std::string("type: '") + type + "'"), ElementsAre(1, 1, 1, 1)) << type;
  EXPECT_THAT(counts("type: 'Convolution'"), ElementsAre(1, kAny, 1, kAny));
  EXPECT_TRUE(signature("type: 'Convolution'").same_tops_as_bottoms);
  EXPECT_THAT(counts("type: 'Pooling'"), ElementsAre(1, 1, 1, 2));
  EXPECT_THAT(counts("type: 'Pooling' pooling_param { pool: AVE }"), ElementsAre(1, 1, 1, 1));
  EXPECT_THAT(counts("type: 'Eltwise'"), ElementsAre(2, kAny, 1, 1));
  EXPECT_THAT(counts("type: 'Concat'"), ElementsAre(1, kAny, 1, 1));
  EXPECT_THAT(counts("type: 'Split'"), ElementsAre(1, 1, 1, kAny));
  EXPECT_THAT(counts("type: 'Slice'"), ElementsAre(1, 1, 1, kAny));
  EXPECT_THAT(counts("type: 'Silence'"), ElementsAre(1, kAny, 0, 0));
  EXPECT_THAT(counts("type: 'Scale'"), ElementsAre(1, 2, 1, 1));
  EXPECT_THAT(counts("type: 'Bias'"), ElementsAre(1, 2, 1, 1));
  EXPECT_THAT(counts("type: 'Input'"), ElementsAre(0, 0, 1, kAny));
  EXPECT_THAT(counts("type: 'DummyData'"), ElementsAre(0, 0, 1, kAny));
  EXPECT_THAT(counts("type: 'Parameter'"), ElementsAre(0, 0, 1, 1));
  EXPECT_THAT(counts("type: 'SoftmaxWithLoss'"), ElementsAre(2, 2, 1, 2));
  EXPECT_THAT(counts("type: 'EuclideanLoss'"), ElementsAre(2, 2, 1, 1));
  EXPECT_THAT(counts("type: 'SigmoidCrossEntropyLoss'"), ElementsAre(2, 2, 1, 1));
  EXPECT_THAT(counts("type: 'Accuracy'"), ElementsAre(2, 2, 1, 2));
}

TEST(Signature, LossesLabelsAndInPlace) {
  for (const char* type : {"SoftmaxWithLoss", "EuclideanLoss", "SigmoidCrossEntropyLoss"})
    EXPECT_TRUE(signature(std::string("type: '") + type + "'").loss) << type;
  EXPECT_FALSE(signature("type: 'Accuracy'").loss);
  EXPECT_THAT(signature("type: 'SoftmaxWithLoss'").no_gradient, ElementsAre(1));
  EXPECT_THAT(signature("type: 'SigmoidCrossEntropyLoss'").no_gradient, ElementsAre(1));
  EXPECT_THAT(signature("type: 'EuclideanLoss'").no_gradient, ElementsAre());
  EXPECT_THAT(signature("type: 'Accuracy'").no_gradient, ElementsAre(0, 1));
  for (const char* type : {"Flatten", "Reshape", "Split"})
    EXPECT_FALSE(signature(std::string("type: '") + type + "'").in_place) << type;
  EXPECT_TRUE(signature("type: 'ReLU'").in_place);
}

}  // namespace
}  // namespace crema
