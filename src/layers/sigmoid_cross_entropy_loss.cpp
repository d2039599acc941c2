// Cross entropy of sigmoid(x) against targets in [0, 1]:
// sum of [max(x, 0) - x t + log(1 + e^-|x|)] / Z.
//   bottom 0  x (N, ...)
//   bottom 1  targets, as many; no gradient
//   top       the loss, 0 axes
//   params    none
//   Z         loss_param.normalization: BATCH_SIZE (unset) = N, VALID = elements not ignored, FULL
//             = all, NONE = 1; at least 1
//   ignored   elements whose target, cut to an integer, is ignore_label (so 0 also drops 0.7, as in
//             Caffe)
#include <fmt/format.h>

#include "layers/check.hpp"
#include "ops/loss.hpp"

namespace crema::layers {
namespace {

class SigmoidCrossEntropyLoss final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter&) const override {
    return {.min_bottoms = 2, .max_bottoms = 2, .loss = true, .no_gradient = {1}};
  }

  void infer(Inference& in) const override {
    require_same_batch(in);
    const Shape &x = in.bottom(0), &t = in.bottom(1);
    if (x.count() != t.count())
      in.fail("",
              fmt::format("{} targets ({}) for {} predictions ({})", t.count(), t.text(), x.count(),
                          x.text()),
              "give one target per prediction");
    in.set_top(0, Shape{});
  }

  // Targets may be any numbers in [0, 1]; 0 and 1 are the usual ones.
  int64_t index_range(const Inference&, int bottom) const override { return bottom == 1 ? 2 : 0; }

  void lower(Lowering& to) const override {
    const auto& loss = to.param().loss_param();
    ops::SigmoidCrossEntropyLoss op;
    if (loss.has_ignore_label()) op.ignore_label = loss.ignore_label();
    op.normalization = read_normalization(loss, ops::Normalization::kBatchSize);
    const Value x = to.bottom(0), targets = to.reshape(to.bottom(1), to.shape(x));
    to.set_top(0, to.emit1(op, {x, targets}));
  }
};

CREMA_LAYER("SigmoidCrossEntropyLoss", SigmoidCrossEntropyLoss);

}  // namespace
}  // namespace crema::layers
