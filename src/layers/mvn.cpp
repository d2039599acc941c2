// Mean and variance normalisation: y = (x - mean) / (standard deviation + eps) over each plane of
// each item, or over all channels of an item with across_channels: true. eps is added to the
// deviation, not to the variance; normalize_variance: false leaves y = x - mean.
//   bottom  at most 4 axes
//   top     the bottom's sizes as (N, C, H, W): missing axes behind have size 1, as in Caffe
//   params  none
//   errors  more than 4 axes
#include <fmt/format.h>

#include "layers/check.hpp"
#include "ops/statistics.hpp"

namespace crema::layers {
namespace {

Shape four_axes(Shape shape) {
  while (shape.rank() < 4) shape.append(1);
  return shape;
}

class Mvn final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter&) const override { return {}; }

  void infer(Inference& in) const override {
    const Shape& x = in.bottom(0);
    if (x.rank() > 4)
      in.fail("",
              fmt::format("the bottom ({}) has {}, at most 4 are possible: (N, C, H, W)", x.text(),
                          axes_text(x.rank())),
              "put a Reshape layer before it that merges the last axes");
    in.set_top(0, four_axes(x));
  }

  void lower(Lowering& to) const override {
    const auto& param = to.param().mvn_param();
    ops::Mvn op;
    op.axis = param.across_channels() ? 1 : 2;
    op.normalize_variance = param.normalize_variance();
    op.eps = param.eps();
    const Value x = to.reshape(to.bottom(0), four_axes(to.shape(to.bottom(0))));
    to.set_top(0, to.emit1(op, {x}));
  }
};

CREMA_LAYER("MVN", Mvn);

}  // namespace
}  // namespace crema::layers
