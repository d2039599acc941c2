// What the layer types beyond the common ones pass on to their ops, and what their signatures
// promise.
#include <gmock/gmock.h>

#include "base/files.hpp"
#include "layers/absent.hpp"
#include "ops/linear.hpp"
#include "ops/loss.hpp"
#include "ops/shape_ops.hpp"
#include "ops/spatial.hpp"
#include "ops/statistics.hpp"
#include "support/fake_layer.hpp"
#include "support/temporary_folder.hpp"

namespace crema {
namespace {

using test::FakeLayer;
using test::layer_from;
using ::testing::ElementsAre;

using test::make;
using test::signature;

TEST(Catalogue, DeconvolutionReadsItsSettings) {
  const FakeLayer layer = make(
      "type: 'Deconvolution' top: 't' convolution_param { num_output: 6 group: 2 kernel_h: 1 "
      "kernel_w: 3 stride_h: 2 stride_w: 4 pad_w: 1 dilation: 1 dilation: 2 }",
      {Shape{2, 4, 6, 6}});
  const auto& op = layer.to.op<ops::Deconvolution>(0);
  EXPECT_THAT(op.kernel, ElementsAre(1, 3));
  EXPECT_THAT(op.stride, ElementsAre(2, 4));
  EXPECT_THAT(op.pad, ElementsAre(0, 1));
  EXPECT_THAT(op.dilation, ElementsAre(1, 2));
  EXPECT_EQ(op.groups, 2);
  EXPECT_TRUE(op.bias);
  EXPECT_THAT(layer.to.ops[0].src, ElementsAre(0, 1, 2)) << "bottom, weight, bias";
}

TEST(Catalogue, StochasticPoolingDependsOnThePhaseAndIsNamed) {
  const char* text =
      "name: 'p' type: 'Pooling' top: 't' pooling_param { pool: STOCHASTIC "
      "kernel_size: 2 } phase: ";
  const FakeLayer train = make(text + std::string("TRAIN"), {Shape{1, 1, 4, 4}});
  EXPECT_EQ(train.to.op<ops::Pooling>(0).method, ops::PoolMethod::kStochastic);
  EXPECT_EQ(train.to.op<ops::Pooling>(0).stream, "p");
  const FakeLayer test = make(text + std::string("TEST"), {Shape{1, 1, 4, 4}});
  EXPECT_EQ(test.to.op<ops::Pooling>(0).method, ops::PoolMethod::kWeighted);
}

TEST(Catalogue, SppDrawsEachLevelAnewInBothPhases) {
  const FakeLayer layer = make(
      "name: 's' type: 'SPP' top: 't' phase: TEST spp_param { pyramid_height: 2 pool: STOCHASTIC }",
      {Shape{1, 1, 4, 4}});
  for (const size_t level : {size_t{0}, size_t{1}}) {
    const auto& op = layer.to.op<ops::Pooling>(level);
    EXPECT_EQ(op.method, ops::PoolMethod::kStochastic);
    EXPECT_EQ(op.stream, "s/" + std::to_string(level));
    EXPECT_EQ(op.kernel_h, level == 0 ? 4 : 2);
  }
}

TEST(Catalogue, MvnAndReductionReadTheirSettings) {
  const FakeLayer mvn = make(
      "type: 'MVN' top: 't' mvn_param { across_channels: true normalize_variance: false eps: 0.5 }",
      {Shape{2, 3, 4, 4}});
  EXPECT_EQ(mvn.to.op<ops::Mvn>(0).axis, 1);
  EXPECT_FALSE(mvn.to.op<ops::Mvn>(0).normalize_variance);
  EXPECT_EQ(mvn.to.op<ops::Mvn>(0).eps, 0.5f);
  EXPECT_EQ(make("type: 'MVN' top: 't'", {Shape{2, 3, 4, 4}}).to.op<ops::Mvn>(0).axis, 2);
  const FakeLayer mean =
      make("type: 'Reduction' top: 't' reduction_param { operation: MEAN axis: -2 coeff: 0.25 }",
           {Shape{2, 3, 4, 4}});
  EXPECT_EQ(mean.to.op<ops::Reduction>(0).method, ops::ReductionMethod::kMean);
  EXPECT_EQ(mean.to.op<ops::Reduction>(0).axis, 2);
  EXPECT_EQ(mean.to.op<ops::Reduction>(0).coefficient, 0.25);
}

TEST(Catalogue, PreluStartsAtAQuarterUnlessToldOtherwise) {
  const auto filler = [](const std::string& text) {
    return make(text, {Shape{2, 3}}).in.params()[0].filler;
  };
  EXPECT_EQ(filler("type: 'PReLU' top: 't'").value(), 0.25f);
  EXPECT_EQ(filler("type: 'PReLU' top: 't' prelu_param { filler { } }").value(), 0)
      << "a filler that is there but empty is constant 0, as in Caffe";
}

TEST(Catalogue, LossesReadTheirSettings) {
  const std::vector<Shape> two{{3, 4}, {3}}, three{{3, 4}, {3}, {4, 4}};
  EXPECT_TRUE(make("type: 'HingeLoss' top: 't' hinge_loss_param { norm: L2 }", two)
                  .to.op<ops::HingeLoss>(0)
                  .squared);
  EXPECT_FALSE(make("type: 'HingeLoss' top: 't'", two).to.op<ops::HingeLoss>(0).squared);
  const FakeLayer infogain = make(
      "type: 'InfogainLoss' top: 't' infogain_loss_param { axis: -1 } loss_param { ignore_label: 2 "
      "normalization: FULL }",
      three);
  EXPECT_EQ(infogain.to.op<ops::InfogainLoss>(0).axis, 1);
  EXPECT_EQ(infogain.to.op<ops::InfogainLoss>(0).ignore_label, 2);
  EXPECT_EQ(infogain.to.op<ops::InfogainLoss>(0).normalization, ops::Normalization::kFull);
  const FakeLayer contrastive = make(
      "type: 'ContrastiveLoss' top: 't' contrastive_loss_param { margin: 3 legacy_version: true }",
      {{3, 4}, {3, 4}, {3}});
  EXPECT_EQ(contrastive.to.op<ops::ContrastiveLoss>(0).margin, 3);
  EXPECT_TRUE(contrastive.to.op<ops::ContrastiveLoss>(0).legacy);
}

TEST(Catalogue, InfogainReadsItsMatrixFromAFileInFloatsOrDoubles) {
  const TemporaryFolder folder;
  caffe::BlobProto floats, doubles;
  for (const float v : {1.0f, 2.0f, 3.0f, 4.0f}) floats.add_data(v), doubles.add_double_data(v);
  for (const caffe::BlobProto& blob : {floats, doubles}) {
    const std::string path = folder / "h.binaryproto";
    write_file_atomically(path, blob.SerializeAsString());
    const FakeLayer layer =
        make("type: 'InfogainLoss' top: 't' infogain_loss_param { source: '" + path + "' }",
             {{3, 2}, {3}});
    EXPECT_EQ(*layer.to.op<ops::InfogainLoss>(0).matrix, (std::vector<float>{1, 2, 3, 4}));
    EXPECT_EQ(layer.to.ops[0].src.size(), 2u);
  }
  const std::string said =
      test::complaint(layer_from("type: 'InfogainLoss' top: 't' infogain_loss_param { source: '" +
                                 (folder / "h.binaryproto") + "' }"),
                      {{3, 5}, {3}});
  EXPECT_NE(said.find("holds 4 numbers, but there are 5 classes"), std::string::npos) << said;
}

TEST(Catalogue, BottomsWithoutAGradient) {
  for (const char* type : {"HingeLoss", "MultinomialLogisticLoss"}) {
    EXPECT_TRUE(signature(std::string("type: '") + type + "'").loss) << type;
    EXPECT_THAT(signature(std::string("type: '") + type + "'").no_gradient, ElementsAre(1)) << type;
  }
  EXPECT_THAT(signature("type: 'InfogainLoss'").no_gradient, ElementsAre(1, 2));
  EXPECT_THAT(signature("type: 'InfogainLoss'").forced, ElementsAre(2));
  EXPECT_THAT(signature("type: 'ContrastiveLoss'").no_gradient, ElementsAre(2));
  EXPECT_THAT(signature("type: 'BatchReindex'").no_gradient, ElementsAre(1));
  EXPECT_THAT(signature("type: 'BatchReindex'").forced, ElementsAre(1));
  EXPECT_THAT(signature("type: 'Embed'").forced, ElementsAre(0));
  EXPECT_FALSE(signature("type: 'ArgMax'").differentiable);
  EXPECT_FALSE(signature("type: 'Threshold'").differentiable);
}

TEST(Catalogue, NoTypeIsBothThereAndAbsent) {
  for (const std::string& type : Registry<layers::LayerTag>::instance().names())
    EXPECT_EQ(layers::absent_type(type), nullptr) << type;
  ASSERT_NE(layers::absent_type("Python"), nullptr);
  EXPECT_EQ(layers::absent_type("Pyton"), nullptr);
}

}  // namespace
}  // namespace crema
