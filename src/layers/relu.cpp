// y = max(x, 0) + negative_slope min(x, 0)
//   bottom  any shape
//   top     the bottom's shape; may be the bottom itself (in place)
//   params  none
#include "layers/check.hpp"
#include "ops/pointwise.hpp"

namespace crema::layers {
namespace {

class Relu final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter&) const override { return {}; }

  void infer(Inference& in) const override {
    refuse_cudnn(in, "relu_param.engine", in.param().relu_param());
    in.set_top(0, in.bottom(0));
  }

  void lower(Lowering& to) const override {
    ops::Unary op;
    op.function = ops::Function::kRelu;
    op.p = to.param().relu_param().negative_slope();
    to.set_top(0, to.emit1(op, {to.bottom(0)}));
  }
};

CREMA_LAYER("ReLU", Relu);

}  // namespace
}  // namespace crema::layers
