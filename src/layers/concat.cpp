// The bottoms one after another along one axis.
//   bottoms  one or more, of equal shape but for the axis
//   top      their shape, the axis with the sum of the sizes; a single bottom is the top itself
//   params   none
//   errors   axis in range;  axis and concat_dim (its old unsigned form) together;  other axes
//            equal
#include <fmt/format.h>

#include "layers/check.hpp"
#include "ops/shape_ops.hpp"

namespace crema::layers {
namespace {

// As written; concat_dim counts from the front only.
int64_t written_axis(const caffe::ConcatParameter& param) {
  return param.has_concat_dim() ? int64_t{param.concat_dim()} : int64_t{param.axis()};
}

class Concat final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter&) const override {
    return {.max_bottoms = Signature::kAny};
  }

  bool moves(int) const override { return true; }

  void infer(Inference& in) const override {
    const int axis = checked_axis(in);
    Shape top = in.bottom(0);
    for (int i = 1; i < in.bottoms(); ++i) {
      check_bottom(in, i, axis);
      top[axis] += in.bottom(i)[axis];
    }
    set_checked_top(in, 0, top);
  }

  void lower(Lowering& to) const override {
    if (to.bottoms() == 1) {
      to.set_top(0, to.bottom(0));
      return;
    }
    ops::Concat op;
    op.axis = from_front(static_cast<int>(written_axis(to.param().concat_param())),
                         to.shape(to.bottom(0)).rank());
    op.sources = to.bottoms();
    std::vector<Value> src;
    for (int i = 0; i < to.bottoms(); ++i) src.push_back(to.bottom(i));
    to.set_top(0, to.emit1(op, src));
  }

 private:
  static int checked_axis(const Inference& in) {
    const auto& param = in.param().concat_param();
    const int rank = in.bottom(0).rank();
    if (!param.has_concat_dim()) return in.axis("concat_param.axis", param.axis(), rank);
    if (param.has_axis())
      in.fail("concat_param.concat_dim", "concat_dim is given together with axis",
              "remove concat_dim, the old form");
    if (written_axis(param) >= rank)
      in.fail("concat_param.concat_dim",
              fmt::format("axis {} is out of range: the blob has {}", param.concat_dim(),
                          axes_text(rank)),
              "use `axis: 1` for the channels");
    return static_cast<int>(param.concat_dim());
  }

  static void check_bottom(const Inference& in, int i, int axis) {
    const Shape &first = in.bottom(0), &shape = in.bottom(i);
    bool same = shape.rank() == first.rank();
    for (int a = 0; same && a < first.rank(); ++a) same = a == axis || shape[a] == first[a];
    if (!same)
      in.fail("bottom",
              fmt::format("bottom {} is {}, but bottom 0 is {}", i, shape.text(), first.text()),
              fmt::format("they may differ on axis {} only", axis));
  }
};

CREMA_LAYER("Concat", Concat);

}  // namespace
}  // namespace crema::layers
