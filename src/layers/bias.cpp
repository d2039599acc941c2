// y = x + bias, the bias repeated over the axes that it does not have.
//   bottom 0  x
//   bottom 1  optional: the bias, with x's axes from `axis` (1) on; num_axes is not used then
//   top       x's shape; may be bottom 0 itself (in place)
//   params    bias: x's axes [axis, axis + num_axes), unless there is a bottom 1; initially 0
//   num_axes  1; -1 to the last axis; 0 a single number
//   errors    axis and num_axes within x;  the sizes of bottom 1
#include "layers/broadcast.hpp"
#include "layers/check.hpp"
#include "ops/pointwise.hpp"

namespace crema::layers {
namespace {

class Bias final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter&) const override { return {.max_bottoms = 2}; }

  void infer(Inference& in) const override {
    const auto& param = in.param().bias_param();
    if (in.bottoms() == 2)
      check_operand_bottom(in, "bias_param", param.axis());
    else
      declare(in, "bias", learned_operand(in, "bias_param", param.axis(), param.num_axes()),
              param.filler(), "bias_param.filler");
    in.set_top(0, in.bottom(0));
  }

  void lower(Lowering& to) const override {
    const Value x = to.bottom(0), bias = to.bottoms() == 2 ? to.bottom(1) : to.blob(0);
    ops::Bias op;
    op.axis = operand_axis(to.param().bias_param().axis(), to.shape(x).rank(), to.shape(bias));
    to.set_top(0, to.emit1(op, {x, bias}));
  }
};

CREMA_LAYER("Bias", Bias);

}  // namespace
}  // namespace crema::layers
