// y = tanh(x)
//   bottom  any shape
//   top     the bottom's shape; may be the bottom itself (in place)
//   params  none
#include "layers/check.hpp"
#include "ops/pointwise.hpp"

namespace crema::layers {
namespace {

class Tanh final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter&) const override { return {}; }

  void infer(Inference& in) const override {
    refuse_cudnn(in, "tanh_param.engine", in.param().tanh_param());
    in.set_top(0, in.bottom(0));
  }

  void lower(Lowering& to) const override {
    ops::Unary op;
    op.function = ops::Function::kTanh;
    to.set_top(0, to.emit1(op, {to.bottom(0)}));
  }
};

CREMA_LAYER("TanH", Tanh);

}  // namespace
}  // namespace crema::layers
