// TRAIN: each element is zeroed with probability dropout_ratio, the others are divided by
// 1 - dropout_ratio. TEST: the bottom itself.
//   bottom  any shape
//   top     the bottom's shape
//   params  none
//   errors  0 <= dropout_ratio < 1
#include <fmt/format.h>

#include "layers/check.hpp"
#include "ops/pointwise.hpp"

namespace crema::layers {
namespace {

class Dropout final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter&) const override { return {}; }

  void infer(Inference& in) const override {
    const float ratio = in.param().dropout_param().dropout_ratio();
    if (!(ratio >= 0 && ratio < 1))
      in.fail("dropout_param.dropout_ratio",
              fmt::format("{} is not a share of elements to drop", ratio),
              "write a number from 0 to below 1");
    in.set_top(0, in.bottom(0));
  }

  void lower(Lowering& to) const override {
    const float ratio = to.param().dropout_param().dropout_ratio();
    if (to.phase() == caffe::TEST || ratio == 0) {
      to.set_top(0, to.bottom(0));
      return;
    }
    ops::Dropout op;
    op.ratio = ratio;
    op.stream = to.param().name();
    to.set_top(0, to.emit1(op, {to.bottom(0)}));
  }
};

CREMA_LAYER("Dropout", Dropout);

}  // namespace
}  // namespace crema::layers
