// Cross entropy of probabilities (not scores) against integer labels:
// -sum of log(max(p[label], 1e-20)) / N.
//   bottom 0  probabilities (N, ...); what follows axis 0 is one list of K classes
//   bottom 1  N labels 0..K-1 as numbers; no gradient
//   top       the loss, 0 axes
//   params    none
//   errors    one label per sample.  A label outside 0..K-1 is reported when it is met
#include "layers/check.hpp"
#include "ops/loss.hpp"

namespace crema::layers {
namespace {

class MultinomialLogisticLoss final : public Layer {
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
    ops::MultinomialLogisticLoss op;
    op.layer = to.param().name();
    to.set_top(0, to.emit1(op, {as_rows(to, to.bottom(0)), to.bottom(1)}));
  }
};

CREMA_LAYER("MultinomialLogisticLoss", MultinomialLogisticLoss);

}  // namespace
}  // namespace crema::layers
