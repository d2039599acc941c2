// y = x * factor [+ bias], the factor repeated over the axes that it does not have.
//   bottom 0  x
//   bottom 1  optional: the factor, with x's axes from `axis` (1) on; num_axes is not used then
//   top       x's shape; may be bottom 0 itself (in place)
//   params    scale: x's axes [axis, axis + num_axes), unless there is a bottom 1; initially 1 (but
//             0 with an empty `filler {}`, as in Caffe)
//             bias: the factor's shape, with bias_term: true; initially 0
//   num_axes  1; -1 to the last axis; 0 a single number
//   errors    axis and num_axes within x;  the sizes of bottom 1
#include "layers/broadcast.hpp"
#include "layers/check.hpp"
#include "ops/pointwise.hpp"

namespace crema::layers {
namespace {

class Scale final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter&) const override { return {.max_bottoms = 2}; }

  void infer(Inference& in) const override {
    const auto& param = in.param().scale_param();
    Shape factor;
    if (in.bottoms() == 2) {
      check_operand_bottom(in, "scale_param", param.axis());
      factor = in.bottom(1);
    } else {
      factor = learned_operand(in, "scale_param", param.axis(), param.num_axes());
      declare(in, "scale", factor, initial_factor(param), "scale_param.filler");
    }
    if (param.bias_term())
      declare(in, "bias", factor, param.bias_filler(), "scale_param.bias_filler");
    in.set_top(0, in.bottom(0));
  }

  void lower(Lowering& to) const override {
    const auto& param = to.param().scale_param();
    const bool learned = to.bottoms() == 1;
    std::vector<Value> src{to.bottom(0), learned ? to.blob(0) : to.bottom(1)};
    ops::Scale op;
    op.axis = operand_axis(param.axis(), to.shape(src[0]).rank(), to.shape(src[1]));
    op.bias = param.bias_term();
    if (op.bias) src.push_back(to.blob(learned ? 1 : 0));
    to.set_top(0, to.emit1(op, src));
  }

 private:
  static caffe::FillerParameter initial_factor(const caffe::ScaleParameter& param) {
    if (param.has_filler()) return param.filler();
    caffe::FillerParameter one;
    one.set_value(1);
    return one;
  }
};

CREMA_LAYER("Scale", Scale);

}  // namespace
}  // namespace crema::layers
