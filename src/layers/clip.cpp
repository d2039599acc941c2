// y = max(min, min(x, max)); the gradient passes at the bounds too. With min > max y is min, as in
// BVLC.
//   bottom  any shape
//   top     the bottom's shape
//   params  none
#include "layers/check.hpp"
#include "ops/pointwise.hpp"

namespace crema::layers {
namespace {

class Clip final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter&) const override { return {}; }

  void infer(Inference& in) const override {
    if (!in.param().has_clip_param())
      in.fail("clip_param", "no bounds are given", "write clip_param { min: 0 max: 6 }");
    in.set_top(0, in.bottom(0));
  }

  void lower(Lowering& to) const override {
    ops::Unary op;
    op.function = ops::Function::kClip;
    op.p = to.param().clip_param().min();
    op.q = to.param().clip_param().max();
    to.set_top(0, to.emit1(op, {to.bottom(0)}));
  }
};

CREMA_LAYER("Clip", Clip);

}  // namespace
}  // namespace crema::layers
