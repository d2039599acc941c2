// y = max(x, 0) + slope min(x, 0) with learned slopes.
//   bottom  (N, C, ...)
//   top     the bottom's shape; may be the bottom itself (in place)
//   params  slope (C), or a single number (0 axes) with channel_shared: true; initially 0.25 where
//           no filler is given
//   errors  two axes or more
#include <fmt/format.h>

#include "layers/check.hpp"
#include "ops/pointwise.hpp"

namespace crema::layers {
namespace {

class PRelu final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter&) const override { return {}; }

  void infer(Inference& in) const override {
    const auto& param = in.param().prelu_param();
    const Shape& x = in.bottom(0);
    if (x.rank() < 2)
      in.fail("",
              fmt::format("the bottom ({}) has {}, but the channels are axis 1", x.text(),
                          axes_text(x.rank())),
              "give it at least 2 axes, with Reshape for example");
    caffe::FillerParameter filler = param.filler();
    if (!param.has_filler()) filler.set_value(0.25f);
    declare(in, "slope", param.channel_shared() ? Shape{} : Shape{x[1]}, filler,
            "prelu_param.filler");
    in.set_top(0, x);
  }

  void lower(Lowering& to) const override {
    to.set_top(0, to.emit1(ops::PRelu{}, {to.bottom(0), to.blob(0)}));
  }
};

CREMA_LAYER("PReLU", PRelu);

}  // namespace
}  // namespace crema::layers
