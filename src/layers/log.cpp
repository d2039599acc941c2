// y = log(shift + scale x) to the given base; base -1 stands for e.
//   bottom  any shape
//   top     the bottom's shape
//   params  none
#include <fmt/format.h>

#include <cmath>

#include "layers/check.hpp"
#include "ops/pointwise.hpp"

namespace crema::layers {
namespace {

class Log final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter&) const override { return {}; }

  void infer(Inference& in) const override {
    const auto& param = in.param().log_param();
    if (param.base() != -1 && (!(param.base() > 0) || param.base() == 1))
      in.fail("log_param.base",
              fmt::format("the base must be greater than 0 and not 1, not {}", param.base()),
              "leave it out for e");
    in.set_top(0, in.bottom(0));
  }

  void lower(Lowering& to) const override {
    ops::Unary op;
    const auto& param = to.param().log_param();
    op.function = ops::Function::kLog;
    op.p = param.base() == -1 ? 1.0 : 1.0 / std::log(static_cast<double>(param.base()));
    op.q = param.scale();
    op.r = param.shift();
    to.set_top(0, to.emit1(op, {to.bottom(0)}));
  }
};

CREMA_LAYER("Log", Log);

}  // namespace
}  // namespace crema::layers
