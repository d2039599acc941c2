// Share of positions whose label's score is among the top_k highest; ties count against it.
//   bottom 0  scores; accuracy_param.axis (1) is the axis of the K classes
//   bottom 1  labels 0..K-1 as numbers, one for each position of the other axes
//   top 0     the share, 0 axes; 0 if every position has ignore_label
//   top 1     optional (K): the share within each class, 0 for a class without positions
//   params    none.  No gradient
//   errors    axis in range;  the number of labels;  1 <= top_k <= K
#include <fmt/format.h>

#include "layers/check.hpp"
#include "ops/loss.hpp"

namespace crema::layers {
namespace {

class Accuracy final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter&) const override {
    return {.min_bottoms = 2, .max_bottoms = 2, .max_tops = 2, .no_gradient = {0, 1}};
  }

  void infer(Inference& in) const override {
    const auto& param = in.param().accuracy_param();
    const Shape& x = in.bottom(0);
    const int axis = in.axis("accuracy_param.axis", param.axis(), x.rank());
    require_label_per_position(in, axis, "accuracy_param.axis");
    if (param.top_k() < 1 || param.top_k() > x[axis])
      in.fail("accuracy_param.top_k",
              fmt::format("top_k {} with {} classes", param.top_k(), x[axis]),
              fmt::format("write a number from 1 to {}", x[axis]));
    in.set_top(0, Shape{});
    if (in.tops() > 1) in.set_top(1, Shape{x[axis]});
  }

  int64_t index_range(const Inference& in, int bottom) const override {
    const Shape& x = in.bottom(0);
    return bottom == 1 ? x[from_front(in.param().accuracy_param().axis(), x.rank())] : 0;
  }

  void lower(Lowering& to) const override {
    const auto& param = to.param().accuracy_param();
    ops::Accuracy op;
    op.axis = from_front(param.axis(), to.shape(to.bottom(0)).rank());
    op.top_k = param.top_k();
    if (param.has_ignore_label()) op.ignore_label = param.ignore_label();
    op.per_class = to.tops() > 1;
    op.layer = to.param().name();
    const std::vector<Value> out =
        to.emit(std::make_shared<const ops::Accuracy>(std::move(op)), {to.bottom(0), to.bottom(1)});
    for (int i = 0; i < to.tops(); ++i) to.set_top(i, out[static_cast<size_t>(i)]);
  }
};

CREMA_LAYER("Accuracy", Accuracy);

}  // namespace
}  // namespace crema::layers
