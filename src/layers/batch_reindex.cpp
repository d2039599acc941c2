// Items of a batch in another order, some repeated, some left out.
//   bottom 0  (N, ...)
//   bottom 1  (M) numbers 0..N-1; no gradient
//   top       (M, ...): top[i] = bottom 0[bottom 1[i]]
//   params    none
//   errors    the axes.  A number outside 0..N-1 is reported when it is met
#include <fmt/format.h>

#include "layers/check.hpp"
#include "ops/shape_ops.hpp"

namespace crema::layers {
namespace {

class BatchReindex final : public Layer {
 public:
  // force_backward stops BVLC here, and so it is refused.
  Signature signature(const caffe::LayerParameter&) const override {
    return {.min_bottoms = 2, .max_bottoms = 2, .no_gradient = {1}, .forced = {1}};
  }

  void infer(Inference& in) const override {
    if (in.bottom(0).rank() == 0)
      in.fail("bottom[0]", "bottom 0 has no axes, so no items to take",
              "give it an axis that counts the items, with Reshape for example");
    require_rank(in, 1, 1, "the number of each item");
    Shape top = in.bottom(0);
    top[0] = in.bottom(1)[0];
    set_checked_top(in, 0, top);
  }

  int64_t index_range(const Inference& in, int bottom) const override {
    return bottom == 1 ? in.bottom(0)[0] : 0;
  }
  bool moves(int bottom) const override { return bottom == 0; }

  void lower(Lowering& to) const override {
    ops::Gather op;
    op.layer = to.param().name();
    to.set_top(0, to.emit1(op, {to.bottom(0), to.bottom(1)}));
  }
};

CREMA_LAYER("BatchReindex", BatchReindex);

}  // namespace
}  // namespace crema::layers
