// y = log(1 + e^x)
//   bottom  any shape
//   top     the bottom's shape
//   params  none
#include "layers/check.hpp"
#include "ops/pointwise.hpp"

namespace crema::layers {
namespace {

class Bnll final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter&) const override { return {}; }

  void infer(Inference& in) const override { in.set_top(0, in.bottom(0)); }

  void lower(Lowering& to) const override {
    ops::Unary op;
    op.function = ops::Function::kBnll;
    to.set_top(0, to.emit1(op, {to.bottom(0)}));
  }
};

CREMA_LAYER("BNLL", Bnll);

}  // namespace
}  // namespace crema::layers
