// All axes from `axis` (0) on to one number: coeff (1) times the sum, the sum of absolute values,
// the sum of squares or the mean.
//   bottom  any shape with the axis
//   top     the axes before `axis`; 0 axes (a scalar) with axis: 0
//   params  none
//   errors  axis in range
#include "layers/check.hpp"
#include "ops/statistics.hpp"

namespace crema::layers {
namespace {

ops::ReductionMethod method_of(const caffe::ReductionParameter& param) {
  switch (param.operation()) {
    case caffe::ReductionParameter::SUM:
      return ops::ReductionMethod::kSum;
    case caffe::ReductionParameter::ASUM:
      return ops::ReductionMethod::kAbsoluteSum;
    case caffe::ReductionParameter::SUMSQ:
      return ops::ReductionMethod::kSquareSum;
    case caffe::ReductionParameter::MEAN:
      return ops::ReductionMethod::kMean;
  }
  return ops::ReductionMethod::kSum;
}

class Reduction final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter&) const override { return {}; }

  void infer(Inference& in) const override {
    const Shape& x = in.bottom(0);
    const int axis = in.axis("reduction_param.axis", in.param().reduction_param().axis(), x.rank());
    in.set_top(0, x.slice(0, axis));
  }

  void lower(Lowering& to) const override {
    const auto& param = to.param().reduction_param();
    ops::Reduction op;
    op.method = method_of(param);
    op.axis = from_front(param.axis(), to.shape(to.bottom(0)).rank());
    op.coefficient = static_cast<double>(param.coeff());
    to.set_top(0, to.emit1(op, {to.bottom(0)}));
  }
};

CREMA_LAYER("Reduction", Reduction);

}  // namespace
}  // namespace crema::layers
