// Half the squared distance, averaged over the batch: sum (a - b)^2 / (2 N). Both bottoms can have
// a gradient.
//   bottom 0, 1  (N, ...), equal numbers of elements per sample
//   top          the loss, 0 axes
//   params       none
#include <fmt/format.h>

#include "layers/check.hpp"
#include "ops/loss.hpp"

namespace crema::layers {
namespace {

class EuclideanLoss final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter&) const override {
    return {.min_bottoms = 2, .max_bottoms = 2, .loss = true};
  }

  void infer(Inference& in) const override {
    require_same_batch(in);
    const Shape &a = in.bottom(0), &b = in.bottom(1);
    if (a.count(1) != b.count(1))
      in.fail("",
              fmt::format("bottom 0 has {} numbers per sample ({}), bottom 1 has {} ({})",
                          a.count(1), a.text(), b.count(1), b.text()),
              "both must have as many");
    in.set_top(0, Shape{});
  }

  void lower(Lowering& to) const override {
    // The counts agree, the axes need not.
    const Value a = to.bottom(0), b = to.reshape(to.bottom(1), to.shape(a));
    to.set_top(0, to.emit1(ops::EuclideanLoss{}, {a, b}));
  }
};

CREMA_LAYER("EuclideanLoss", EuclideanLoss);

}  // namespace
}  // namespace crema::layers
