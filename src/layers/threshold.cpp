// y = x > threshold ? 1 : 0. It has no gradient: being asked for one is an error.
//   bottom  any shape
//   top     the bottom's shape
//   params  none
#include "layers/check.hpp"
#include "ops/pointwise.hpp"

namespace crema::layers {
namespace {

class Threshold final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter&) const override {
    return {.differentiable = false};
  }

  void infer(Inference& in) const override { in.set_top(0, in.bottom(0)); }

  void lower(Lowering& to) const override {
    ops::Unary op;
    op.function = ops::Function::kThreshold;
    op.p = to.param().threshold_param().threshold();
    to.set_top(0, to.emit1(op, {to.bottom(0)}));
  }
};

CREMA_LAYER("Threshold", Threshold);

}  // namespace
}  // namespace crema::layers
