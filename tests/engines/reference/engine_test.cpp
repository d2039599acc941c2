#include <omp.h>

#include "engines/reference/kernel.hpp"
#include "engines/reference/run.hpp"
#include "ops/custom.hpp"
#include "ops/linear.hpp"
#include "ops/loss.hpp"
#include "ops/pointwise.hpp"
#include "ops/shape_ops.hpp"
#include "ops/spatial.hpp"
#include "ops/statistics.hpp"

namespace crema::test {
namespace {

struct Case {
  std::shared_ptr<const ops::Op> op;
  std::vector<Values> inputs;
};

template <class Op>
std::shared_ptr<Op> op(auto&& set) {
  auto out = std::make_shared<Op>();
  set(*out);
  return out;
}

const Shape kX{3, 8, 13, 17};

void add_spatial(std::vector<Case>& cases) {
  const Values x = random_values(kX, 1, -2, 2);
  cases.push_back({op<ops::Convolution>([](auto& o) {
                     o.kernel = {3, 3}, o.stride = {1, 2}, o.pad = {1, 0}, o.dilation = {1, 1};
                     o.groups = 2;
                   }),
                   {x, random_values(Shape{6, 4, 3, 3}, 2), random_values(Shape{6}, 3)}});
  cases.push_back({op<ops::Deconvolution>([](auto& o) {
                     o.kernel = {4, 3}, o.stride = {2, 1}, o.pad = {1, 0}, o.dilation = {1, 1};
                     o.groups = 2;
                   }),
                   {x, random_values(Shape{8, 3, 4, 3}, 2), random_values(Shape{6}, 3)}});
  cases.push_back({op<ops::Im2Col>([](auto& o) {
                     o.kernel = {3, 2}, o.stride = {2, 1}, o.pad = {1, 0}, o.dilation = {1, 1};
                   }),
                   {x}});
  for (const bool transpose : {false, true})
    cases.push_back({op<ops::InnerProduct>([=](auto& o) { o.transpose = transpose; }),
                     {x, random_values(transpose ? Shape{1768, 21} : Shape{21, 1768}, 2),
                      random_values(Shape{21}, 3)}});
  for (const auto method : {ops::PoolMethod::kMax, ops::PoolMethod::kAverage,
                            ops::PoolMethod::kStochastic, ops::PoolMethod::kWeighted})
    cases.push_back({op<ops::Pooling>([=](auto& o) {
                       o.method = method, o.kernel_h = o.kernel_w = 3, o.pad_h = o.pad_w = 1;
                       o.stride_h = o.stride_w = 2, o.out_h = 7, o.out_w = 9;
                     }),
                     {x}});
  for (const bool within : {false, true})
    cases.push_back({op<ops::Lrn>([=](auto& o) { o.within_channel = within; }), {x}});
  cases.push_back({op<ops::BatchNorm>([](auto&) {}),
                   {x, Values(Shape{8}), Values(Shape{8}), Values(Shape{1})}});
}

void add_pointwise(std::vector<Case>& cases) {
  const Values x = random_values(kX, 1, -2, 2), z = random_values(kX, 2, -2, 2);
  for (const auto f :
       {ops::Function::kRelu, ops::Function::kSigmoid, ops::Function::kTanh, ops::Function::kPower})
    cases.push_back({op<ops::Unary>([=](auto& o) { o.function = f, o.p = 3, o.q = 1; }), {x}});
  for (const auto m :
       {ops::EltwiseMethod::kSum, ops::EltwiseMethod::kProduct, ops::EltwiseMethod::kMax})
    cases.push_back({op<ops::Eltwise>([=](auto& o) {
                       o.method = m, o.coefficients = {0.3f, 0.7f};
                     }),
                     {x, z}});
  for (const int axis : {0, 1, 3}) {
    const Values factor = random_values(Shape{kX[axis]}, 3);
    cases.push_back(
        {op<ops::Scale>([=](auto& o) { o.axis = axis, o.bias = true; }), {x, factor, factor}});
    cases.push_back({op<ops::Bias>([=](auto& o) { o.axis = axis; }), {x, factor}});
  }
  for (const Shape& slopes : {Shape{8}, Shape{}})
    cases.push_back({op<ops::PRelu>([](auto&) {}), {x, random_values(slopes, 3)}});
  for (const int axis : {0, 2}) {
    cases.push_back({op<ops::Reduction>([=](auto& o) {
                       o.axis = axis, o.method = ops::ReductionMethod::kSquareSum;
                     }),
                     {x}});
    cases.push_back({op<ops::Mvn>([=](auto& o) { o.axis = axis; }), {x}});
  }
  cases.push_back({op<ops::Gather>([](auto&) {}),
                   {random_values(Shape{9, 900}, 1), random_labels(Shape{70}, 2, 9)}});
  cases.push_back({op<ops::Dropout>([](auto& o) { o.stream = "d"; }), {x}});
  cases.push_back({op<ops::Concat>([](auto& o) { o.sources = 2; }), {x, z}});
  cases.push_back({op<ops::Reorder>([](auto&) {}), {x}});
  cases.push_back({op<ops::Softmax>([](auto&) {}), {x}});
}

void add_losses(std::vector<Case>& cases) {
  const Values x = random_values(kX, 1, -2, 2), labels = random_labels(Shape{3, 13, 17}, 2, 8);
  cases.push_back({op<ops::SoftmaxLoss>([](auto& o) { o.ignore_label = 3; }), {x, labels}});
  cases.push_back({op<ops::InfogainLoss>([](auto& o) { o.ignore_label = 3; }),
                   {x, labels, random_values(Shape{8, 8}, 4)}});
  const Values rows = random_values(Shape{90, 100}, 1, 0.1, 1);
  const Values classes = random_labels(Shape{90}, 2, 100);
  cases.push_back({op<ops::HingeLoss>([](auto&) {}), {rows, classes}});
  cases.push_back({op<ops::MultinomialLogisticLoss>([](auto&) {}), {rows, classes}});
  cases.push_back({op<ops::ContrastiveLoss>([](auto&) {}),
                   {rows, random_values(Shape{90, 100}, 5), random_labels(Shape{90}, 2, 2)}});
  cases.push_back({op<ops::EuclideanLoss>([](auto&) {}), {x, random_values(kX, 3)}});
  cases.push_back(
      {op<ops::SigmoidCrossEntropyLoss>([](auto&) {}), {x, random_values(kX, 3, 0, 1)}});
  cases.push_back({op<ops::Accuracy>([](auto& o) { o.per_class = true; }), {x, labels}});
}

// All numbers of a forward and backward pass in f32.
std::vector<double> everything(const Case& c, int threads) {
  omp_set_num_threads(threads);
  std::vector<double> out;
  const auto keep = [&](const Values& v) { out.insert(out.end(), v.v.begin(), v.v.end()); };
  OpRunner run(reference(), *c.op, c.inputs);
  std::vector<std::optional<Values>> dy;
  for (const Values& y : run.forward()) {
    keep(y);
    dy.push_back(random_values(y.shape, 5));
  }
  for (const int i : c.op->mutates()) keep(run.source(i));
  for (size_t i = 1; i < dy.size(); ++i) dy[i].reset();  // one gradient arrives, at destination 0
  for (size_t part = 0; part < c.op->gradient().size(); ++part)
    for (const auto& dx : run.gradient(static_cast<int>(part), dy))
      if (dx) keep(*dx);
  return out;
}

TEST(Engine, TheSameBitsWhateverTheThreads) {
  std::vector<Case> cases;
  add_spatial(cases);
  add_pointwise(cases);
  add_losses(cases);
  const int before = omp_get_max_threads();
  for (const Case& c : cases) {
    const std::vector<double> one = everything(c, 1);
    for (const int threads : {2, 3, 7})
      EXPECT_EQ(everything(c, threads), one) << c.op->kind() << ", " << threads << " threads";
  }
  omp_set_num_threads(before);
}

TEST(Engine, EveryKindHasAKernel) {
  EXPECT_EQ(Registry<reference::ReferenceKernelTag>::instance().names(),
            (std::vector<std::string>{"accuracy",
                                      "batch_norm",
                                      "bias",
                                      "concat",
                                      "contrastive_loss",
                                      "convolution",
                                      "custom",
                                      "deconvolution",
                                      "dropout",
                                      "eltwise",
                                      "euclidean_loss",
                                      "fold_batch_norm",
                                      "gather",
                                      "gradient_scale",
                                      "hinge_loss",
                                      "im2col",
                                      "infogain_loss",
                                      "inner_product",
                                      "lrn",
                                      "multinomial_logistic_loss",
                                      "mvn",
                                      "pooling",
                                      "prelu",
                                      "rectified_concat",
                                      "reduction",
                                      "reorder",
                                      "scale",
                                      "sigmoid_cross_entropy_loss",
                                      "slice",
                                      "softmax",
                                      "softmax_loss",
                                      "unary",
                                      "weight_gradient_sum"}));
}

TEST(Engine, RefusesBf16) {
  const ops::Unary relu;
  ops::KernelRequest request;
  request.op = &relu;
  request.dtype = DType::kBf16;
  request.src = request.dst = {{Shape{2}, Layout{}, true}};
  const ops::Answer answer = reference().offer(request);
  ASSERT_TRUE(std::holds_alternative<ops::Refusal>(answer));
  EXPECT_EQ(std::get<ops::Refusal>(answer).reason, "no bf16, only f32 and f64");
}

TEST(Engine, RefusesAKindItDoesNotKnow) {
  struct Odd final : ops::Op {
    const char* kind() const override { return "odd"; }
    std::vector<Shape> infer(std::span<const Shape> src) const override { return {src[0]}; }
  } const odd;
  OpRunner run(reference(), odd, {Values(Shape{2})});
  EXPECT_FALSE(run.accepts());
  EXPECT_EQ(run.refusal(), "no kernel for op kind 'odd'");
  EXPECT_THROW(run.forward(), Refused);
}

}  // namespace
}  // namespace crema::test
