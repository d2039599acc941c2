// One-against-all margins: m = max(0, 1 - x) for the label's class, max(0, 1 + x) for the others;
// the loss is sum m / N, or sum m^2 / N with norm: L2.
//   bottom 0  scores (N, ...); what follows axis 0 is one list of K classes
//   bottom 1  N labels 0..K-1 as numbers; no gradient
//   top       the loss, 0 axes
//   params    none
//   errors    one label per sample.  A label outside 0..K-1 is reported when it is met
#include "layers/check.hpp"
#include "ops/loss.hpp"

namespace crema::layers {
namespace {

class HingeLoss final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter&) const override {
    return {.min_bottoms = 2, .max_bottoms = 2, .loss = true, .no_gradient = {1}};
  }

  void infer(Inference& in) const override {
    require_label_per_sample(in);
    in.set_top(0, Shape{});
  }

  int64_t index_range(const Inference& in, int bottom) const override {
    return bottom == 1 ? in.bottom(0).count(1) : 0;
  }

  void lower(Lowering& to) const override {
    ops::HingeLoss op;
    op.squared = to.param().hinge_loss_param().norm() == caffe::HingeLossParameter::L2;
    op.layer = to.param().name();
    to.set_top(0, to.emit1(op, {as_rows(to, to.bottom(0)), to.bottom(1)}));
  }
};

CREMA_LAYER("HingeLoss", HingeLoss);

}  // namespace
}  // namespace crema::layers
