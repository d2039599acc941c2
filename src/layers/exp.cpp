// y = base^(shift + scale x); base -1 stands for e.
//   bottom  any shape
//   top     the bottom's shape
//   params  none
#include <fmt/format.h>

#include <cmath>

#include "layers/check.hpp"
#include "ops/pointwise.hpp"

namespace crema::layers {
namespace {

class Exp final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter&) const override { return {}; }

  void infer(Inference& in) const override {
    const auto& param = in.param().exp_param();
    if (param.base() != -1 && (!(param.base() > 0) || std::isinf(param.base())))
      in.fail("exp_param.base",
              fmt::format("the base must be a number greater than 0, not {}", param.base()),
              "leave it out for e");
    in.set_top(0, in.bottom(0));
  }

  void lower(Lowering& to) const override {
    ops::Unary op;
    const auto& param = to.param().exp_param();
    const double log_base = param.base() == -1 ? 1.0 : std::log(static_cast<double>(param.base()));
    op.function = ops::Function::kExp;
    op.p = log_base * param.scale();
    op.q = std::exp(log_base * param.shift());
    to.set_top(0, to.emit1(op, {to.bottom(0)}));
  }
};

CREMA_LAYER("Exp", Exp);

}  // namespace
}  // namespace crema::layers
