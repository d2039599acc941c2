// y = x > 0 ? x : alpha (e^x - 1)
//   bottom  any shape
//   top     the bottom's shape
//   params  none
#include "layers/check.hpp"
#include "ops/pointwise.hpp"

namespace crema::layers {
namespace {

class Elu final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter&) const override { return {}; }

  void infer(Inference& in) const override { in.set_top(0, in.bottom(0)); }

  void lower(Lowering& to) const override {
    ops::Unary op;
    op.function = ops::Function::kElu;
    op.p = to.param().elu_param().alpha();
    to.set_top(0, to.emit1(op, {to.bottom(0)}));
  }
};

CREMA_LAYER("ELU", Elu);

}  // namespace
}  // namespace crema::layers
