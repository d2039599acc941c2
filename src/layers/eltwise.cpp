// Sum (with coefficients), product or maximum of several bottoms, element by element.
//   bottoms  two or more of one shape
//   top      that shape
//   params   none
//   MAX      of equal values among the first two the second wins, a later one only if it is
//            greater; the gradient goes to the winner.  coeff has no effect, as in Caffe
//   errors   equal shapes;  coeff: none or one per bottom, and not with PROD
#include <fmt/format.h>

#include "layers/check.hpp"
#include "ops/pointwise.hpp"

namespace crema::layers {
namespace {

class Eltwise final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter&) const override {
    return {.min_bottoms = 2, .max_bottoms = Signature::kAny};
  }

  void infer(Inference& in) const override {
    const auto& param = in.param().eltwise_param();
    if (param.coeff_size() > 0 && param.operation() == caffe::EltwiseParameter::PROD)
      in.fail("eltwise_param.coeff", "coefficients are given with operation: PROD",
              "remove them: only SUM has coefficients");
    if (param.coeff_size() != 0 && param.coeff_size() != in.bottoms())
      in.fail("eltwise_param.coeff",
              fmt::format("{} coefficients for {} bottoms", param.coeff_size(), in.bottoms()),
              "give one per bottom, or none");
    for (int i = 1; i < in.bottoms(); ++i)
      if (in.bottom(i) != in.bottom(0))
        in.fail("bottom",
                fmt::format("bottom {} is {}, but bottom 0 is {}", i, in.bottom(i).text(),
                            in.bottom(0).text()),
                "all bottoms must have one shape");
    in.set_top(0, in.bottom(0));
  }

  void lower(Lowering& to) const override {
    const auto& param = to.param().eltwise_param();
    ops::Eltwise op;
    op.sources = to.bottoms();
    op.stable_product_gradient = param.stable_prod_grad();
    switch (param.operation()) {
      case caffe::EltwiseParameter::PROD:
        op.method = ops::EltwiseMethod::kProduct;
        break;
      case caffe::EltwiseParameter::MAX:
        op.method = ops::EltwiseMethod::kMax;
        break;
      case caffe::EltwiseParameter::SUM:
        op.method = ops::EltwiseMethod::kSum;
        op.coefficients.assign(param.coeff().begin(), param.coeff().end());
        op.coefficients.resize(static_cast<size_t>(op.sources), 1.0f);  // none given: all 1
        break;
    }
    std::vector<Value> src;
    for (int i = 0; i < to.bottoms(); ++i) src.push_back(to.bottom(i));
    to.set_top(0, to.emit1(std::move(op), src));
  }
};

CREMA_LAYER("Eltwise", Eltwise);

}  // namespace
}  // namespace crema::layers
