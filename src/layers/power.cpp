// y = (shift + scale x)^power. With power scale = 0 that is a constant, 1 or shift^power, and no
// gradient passes.
//   bottom  any shape
//   top     the bottom's shape
//   params  none
#include "layers/check.hpp"
#include "ops/pointwise.hpp"

namespace crema::layers {
namespace {

class Power final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter&) const override { return {}; }

  void infer(Inference& in) const override { in.set_top(0, in.bottom(0)); }

  void lower(Lowering& to) const override {
    const auto& param = to.param().power_param();
    ops::Unary op;
    op.function = ops::Function::kPower;
    op.p = param.power();
    op.q = param.scale();
    op.r = param.shift();
    to.set_top(0, to.emit1(op, {to.bottom(0)}));
  }
};

CREMA_LAYER("Power", Power);

}  // namespace
}  // namespace crema::layers
