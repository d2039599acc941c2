// Cross entropy of softmax(scores) against integer labels:
// -sum over positions of log(max(p[label], FLT_MIN)) / Z.
//   bottom 0  scores; softmax_param.axis (1) is the axis of the K classes
//   bottom 1  labels 0..K-1 as numbers, one for each position of the other axes; no gradient
//   top 0     the loss, 0 axes
//   top 1     optional: the probabilities, shape of the scores
//   params    none
//   Z         loss_param.normalization: VALID (unset) = positions without ignore_label, FULL = all,
//             BATCH_SIZE = product of the axes before the class axis, NONE = 1; at least 1
//   errors    the axis in range;  the number of labels;  equal sizes of axis 0.  A label outside
//             0..K-1 is reported when it is met
#include <fmt/format.h>

#include "layers/check.hpp"
#include "ops/loss.hpp"

namespace crema::layers {
namespace {

class SoftmaxWithLoss final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter&) const override {
    return {.min_bottoms = 2, .max_bottoms = 2, .max_tops = 2, .loss = true, .no_gradient = {1}};
  }

  void infer(Inference& in) const override {
    const auto& param = in.param().softmax_param();
    const Shape& x = in.bottom(0);
    refuse_cudnn(in, "softmax_param.engine", param);
    require_same_batch(in);
    const int axis = in.axis("softmax_param.axis", param.axis(), x.rank());
    require_label_per_position(in, axis, "softmax_param.axis");
    in.set_top(0, Shape{});
    if (in.tops() > 1) in.set_top(1, x);
  }

  int64_t index_range(const Inference& in, int bottom) const override {
    const Shape& x = in.bottom(0);
    return bottom == 1 ? x[from_front(in.param().softmax_param().axis(), x.rank())] : 0;
  }

  void lower(Lowering& to) const override {
    const auto& loss = to.param().loss_param();
    ops::SoftmaxLoss op;
    op.axis = from_front(to.param().softmax_param().axis(), to.shape(to.bottom(0)).rank());
    if (loss.has_ignore_label()) op.ignore_label = loss.ignore_label();
    op.normalization = read_normalization(loss, ops::Normalization::kValid);
    op.layer = to.param().name();
    const std::vector<Value> out = to.emit(std::make_shared<const ops::SoftmaxLoss>(std::move(op)),
                                           {to.bottom(0), to.bottom(1)});
    for (int i = 0; i < to.tops(); ++i) to.set_top(i, out[static_cast<size_t>(i)]);
  }
};

CREMA_LAYER("SoftmaxWithLoss", SoftmaxWithLoss);

}  // namespace
}  // namespace crema::layers
