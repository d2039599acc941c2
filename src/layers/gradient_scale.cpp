// The top is the bottom, without a copy. Backward the gradient is multiplied by a factor: below 1
// what lies below learns more slowly under SGD (not under Adam, which divides the factor away: use
// lr_mult there), 0 stops the gradient, a negative factor reverses it.
//   bottom  any shape
//   top     the bottom
//   params  none
//   errors  the factor is finite; factor or factor_schedule, not both; propagate_down: true
//           contradicts a factor of 0
#include <fmt/format.h>

#include <cmath>

#include "layers/layer.hpp"
#include "ops/pointwise.hpp"

namespace crema::layers {
namespace {

// True if no gradient passes at any time.
bool stops(const caffe::GradientScaleParameter& param) {
  if (!param.has_factor_schedule()) return param.factor() == 0;
  for (const auto& point : param.factor_schedule().point())
    if (point.value() != 0) return false;
  return param.factor_schedule().point_size() > 0;
}

class GradientScale final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter& layer) const override {
    Signature out;
    if (stops(layer.gradient_scale_param())) out.cut_bottoms = {0};
    return out;
  }

  bool moves(int) const override { return true; }

  void infer(Inference& in) const override {
    const auto& param = in.param().gradient_scale_param();
    if (!std::isfinite(param.factor()))
      in.fail("gradient_scale_param.factor", fmt::format("the factor is {}", param.factor()),
              "write a finite number");
    if (param.has_factor() && param.has_factor_schedule())
      in.fail("gradient_scale_param.factor_schedule", "both factor and factor_schedule are given",
              "remove one of them");
    if (param.has_factor_schedule() && param.factor_schedule().point_size() == 0)
      in.fail("gradient_scale_param.factor_schedule", "a schedule needs at least one point",
              "write point { at: 0 value: 1 }, for example");
    if (stops(param) && in.param().propagate_down_size() > 0 && in.param().propagate_down(0))
      in.fail("propagate_down",
              "propagate_down: true asks for a gradient, and a factor of 0 stops it",
              "remove one of the two");
    in.set_top(0, in.bottom(0));
  }

  void lower(Lowering& to) const override {
    const auto& param = to.param().gradient_scale_param();
    ops::GradientScale op;
    if (param.has_factor_schedule()) {
      op.factor = to.over_run(param.factor_schedule(), "gradient_scale_param.factor_schedule");
      op.text = "by schedule";
    } else {
      op.factor = [factor = param.factor()](int64_t) { return factor; };
      op.text = fmt::format("{:g}", param.factor());
    }
    to.set_top(0, to.emit1(std::move(op), {to.bottom(0)}));
  }
};

CREMA_LAYER("GradientScale", GradientScale);

}  // namespace
}  // namespace crema::layers
