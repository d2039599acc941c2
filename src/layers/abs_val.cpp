// y = |x|; the gradient at 0 is 0. BVLC refuses it in place.
//   bottom  any shape
//   top     the bottom's shape
//   params  none
#include "layers/check.hpp"
#include "ops/pointwise.hpp"

namespace crema::layers {
namespace {

class AbsVal final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter&) const override { return {.in_place = false}; }

  void infer(Inference& in) const override { in.set_top(0, in.bottom(0)); }

  void lower(Lowering& to) const override {
    ops::Unary op;
    op.function = ops::Function::kAbs;
    to.set_top(0, to.emit1(op, {to.bottom(0)}));
  }
};

CREMA_LAYER("AbsVal", AbsVal);

}  // namespace
}  // namespace crema::layers
