// The axes from axis (1) to end_axis (-1), inclusive, become one.
//   bottom  any shape
//   top     the same elements with those axes merged
//   params  none
//   errors  both axes in range;  axis <= end_axis + 1 (axis = end_axis + 1 inserts an axis of size
//           1, as in Caffe)
#include <fmt/format.h>

#include "layers/check.hpp"

namespace crema::layers {
namespace {

Shape flattened(const Shape& x, int begin, int end) {
  Shape top = x.slice(0, begin);
  top.append(x.count(begin, end));
  for (int i = end; i < x.rank(); ++i) top.append(x[i]);
  return top;
}

class Flatten final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter&) const override { return {.in_place = false}; }

  bool moves(int) const override { return true; }

  void infer(Inference& in) const override {
    const auto& param = in.param().flatten_param();
    const Shape& x = in.bottom(0);
    const int begin = in.axis("flatten_param.axis", param.axis(), x.rank());
    const int end = in.axis("flatten_param.end_axis", param.end_axis(), x.rank()) + 1;
    if (begin > end)
      in.fail("flatten_param.end_axis",
              fmt::format("end_axis {} comes before axis {}", end - 1, begin),
              "end_axis is the last axis to merge");
    in.set_top(0, flattened(x, begin, end));
  }

  void lower(Lowering& to) const override {
    const auto& param = to.param().flatten_param();
    const Shape x = to.shape(to.bottom(0));
    const int begin = from_front(param.axis(), x.rank());
    const int end = from_front(param.end_axis(), x.rank()) + 1;
    to.set_top(0, to.reshape(to.bottom(0), flattened(x, begin, end)));
  }
};

CREMA_LAYER("Flatten", Flatten);

}  // namespace
}  // namespace crema::layers
