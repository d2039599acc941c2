// y = e^x / sum of e^x along one axis (computed with the maximum subtracted).
//   bottom  any shape with the axis
//   top     the bottom's shape
//   params  none
//   errors  axis in range
#include "layers/check.hpp"
#include "ops/statistics.hpp"

namespace crema::layers {
namespace {

class Softmax final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter&) const override { return {}; }

  void infer(Inference& in) const override {
    const auto& param = in.param().softmax_param();
    in.axis("softmax_param.axis", param.axis(), in.bottom(0).rank());
    refuse_cudnn(in, "softmax_param.engine", param);
    in.set_top(0, in.bottom(0));
  }

  void lower(Lowering& to) const override {
    ops::Softmax op;
    op.axis = from_front(to.param().softmax_param().axis(), to.shape(to.bottom(0)).rank());
    to.set_top(0, to.emit1(op, {to.bottom(0)}));
  }
};

CREMA_LAYER("Softmax", Softmax);

}  // namespace
}  // namespace crema::layers
