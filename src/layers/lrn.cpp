// Local response normalisation, y = x s^-beta.
//   bottom  (N, C, H, W)
//   top     the bottom's shape
//   params  none
//   ACROSS_CHANNELS  s = k + alpha / local_size * sum of x^2 over local_size channels around
//   WITHIN_CHANNEL   s = 1 + alpha * mean of x^2 over local_size x local_size cells around, zeros
//                    outside the plane counted; k has no effect, as in Caffe
//   errors  local_size odd
#include <fmt/format.h>

#include "layers/check.hpp"
#include "ops/spatial.hpp"

namespace crema::layers {
namespace {

class Lrn final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter&) const override { return {}; }

  void infer(Inference& in) const override {
    const auto& param = in.param().lrn_param();
    require_rank(in, 0, 4, "(N, C, H, W)");
    if (param.local_size() % 2 == 0)
      in.fail("lrn_param.local_size",
              fmt::format("a window of {} has no centre", param.local_size()),
              fmt::format("write an odd number, such as {}", int64_t{param.local_size()} + 1));
    refuse_cudnn(in, "lrn_param.engine", param);
    in.set_top(0, in.bottom(0));
  }

  void lower(Lowering& to) const override {
    const auto& param = to.param().lrn_param();
    ops::Lrn op;
    op.within_channel = param.norm_region() == caffe::LRNParameter::WITHIN_CHANNEL;
    op.size = param.local_size();
    op.alpha = param.alpha();
    op.beta = param.beta();
    op.k = op.within_channel ? 1 : param.k();
    to.set_top(0, to.emit1(op, {to.bottom(0)}));
  }
};

CREMA_LAYER("LRN", Lrn);

}  // namespace
}  // namespace crema::layers
