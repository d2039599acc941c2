// Normalises each channel to mean 0 and variance 1; no learned scale or shift (put a Scale layer
// with bias_term: true behind it).
//   bottom  (N, C, ...)
//   top     the bottom's shape
//   params  mean (C), variance (C), factor (1): sums of the statistics and the sum's weight, kept
//           as state and initially 0, as in Caffe; the optimizer never changes them, whatever
//           lr_mult says
//   use_global_stats  unset: true in TEST (stored statistics), false in TRAIN (those of the batch,
//           which are added to the stored ones); a frozen layer uses and keeps the stored ones
//   errors  two axes or more
#include <fmt/format.h>

#include <cmath>

#include "layers/check.hpp"
#include "ops/statistics.hpp"

namespace crema::layers {
namespace {

class BatchNorm final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter&) const override { return {}; }

  void infer(Inference& in) const override {
    const Shape& x = in.bottom(0);
    if (x.rank() < 2)
      in.fail("",
              fmt::format("the bottom ({}) has {}, but the channels are axis 1", x.text(),
                          axes_text(x.rank())),
              "give it at least 2 axes, with Reshape for example");
    const auto& param = in.param().batch_norm_param();
    check_constant(in, "batch_norm_param.eps", param.eps());
    check_constant(in, "batch_norm_param.moving_average_fraction", param.moving_average_fraction());
    in.add_param({.name = "mean", .shape = {x[1]}, .state = true});
    in.add_param({.name = "variance", .shape = {x[1]}, .state = true});
    in.add_param({.name = "factor", .shape = {1}, .state = true});
    in.set_top(0, x);
  }

  void lower(Lowering& to) const override {
    const auto& param = to.param().batch_norm_param();
    ops::BatchNorm op;
    op.eps = param.eps();
    op.fraction = param.moving_average_fraction();
    op.use_global =
        to.fixed_statistics() ||
        (param.has_use_global_stats() ? param.use_global_stats() : to.phase() == caffe::TEST);
    to.set_top(0, to.emit1(op, {to.bottom(0), to.blob(0), to.blob(1), to.blob(2)}));
  }

 private:
  // Caffe takes any number; these give NaN or statistics that run away.
  static void check_constant(const Inference& in, std::string_view field, float value) {
    if (!(value >= 0) || !std::isfinite(value))
      in.fail(field, fmt::format("{} is {}", field.substr(field.find('.') + 1), value),
              "write 0 or more");
  }
};

CREMA_LAYER("BatchNorm", BatchNorm);

}  // namespace
}  // namespace crema::layers
