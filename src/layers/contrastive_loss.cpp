// Pulls the vectors of similar pairs together and pushes the others apart, up to a margin:
// 1 / (2 N) sum of { similar: d^2;  else max(margin - d, 0)^2 },  d the distance of a pair.
//   bottom 0, 1     a, b (N, C), and axes of size 1 behind
//   bottom 2        N numbers; similar is what is not 0 once it is cut to an integer; no gradient
//   top             the loss, 0 axes
//   params          none
//   legacy_version  max(margin - d^2, 0) for dissimilar pairs
//   errors          shapes
#include <fmt/format.h>

#include "layers/check.hpp"
#include "ops/loss.hpp"

namespace crema::layers {
namespace {

class ContrastiveLoss final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter&) const override {
    return {.min_bottoms = 3, .max_bottoms = 3, .loss = true, .no_gradient = {2}};
  }

  void infer(Inference& in) const override {
    require_same_batch(in);
    for (int i = 0; i < 2; ++i) check_vectors(in, i);
    const Shape &a = in.bottom(0), &b = in.bottom(1), &similar = in.bottom(2);
    if (a.count() != b.count())
      in.fail("",
              fmt::format("bottom 0 has {} numbers per sample ({}), bottom 1 has {} ({})",
                          a.count(1), a.text(), b.count(1), b.text()),
              "both must have as many");
    if (similar.count() != a[0])
      in.fail("bottom[2]",
              fmt::format("bottom 2 ({}) has {} numbers for {} pairs", similar.text(),
                          similar.count(), a[0]),
              "give one number per pair: 1 for similar, 0 for dissimilar");
    in.set_top(0, Shape{});
  }

  // Similar or not.
  int64_t index_range(const Inference&, int bottom) const override { return bottom == 2 ? 2 : 0; }

  void lower(Lowering& to) const override {
    const auto& param = to.param().contrastive_loss_param();
    ops::ContrastiveLoss op;
    op.margin = param.margin();
    op.legacy = param.legacy_version();
    to.set_top(0,
               to.emit1(op, {as_rows(to, to.bottom(0)), as_rows(to, to.bottom(1)), to.bottom(2)}));
  }

 private:
  static void check_vectors(const Inference& in, int i) {
    const Shape& x = in.bottom(i);
    if (x.rank() > 2 && x.count(2) != 1)
      in.fail(
          fmt::format("bottom[{}]", i),
          fmt::format("bottom {} is {}: axes behind the channels must have size 1", i, x.text()),
          "put a Flatten layer before it");
  }
};

CREMA_LAYER("ContrastiveLoss", ContrastiveLoss);

}  // namespace
}  // namespace crema::layers
