// The bottom cut into pieces along one axis.
//   bottom  any shape with the axis
//   tops    one or more; sizes along the axis from slice_point (the starts of the second and later
//           tops), or equal ones.  A single top is the bottom itself
//   params  none
//   errors  axis in range;  axis and slice_dim (its old unsigned form) together;  slice_point: one
//           less than tops, rising, inside the axis;  without it the tops must divide the axis
#include <fmt/format.h>

#include "layers/check.hpp"
#include "layers/slicing.hpp"

namespace crema::layers {
namespace {

// As written; slice_dim counts from the front only.
int64_t written_axis(const caffe::SliceParameter& param) {
  return param.has_slice_dim() ? int64_t{param.slice_dim()} : int64_t{param.axis()};
}

// Where each piece starts, and the end: tops + 1 numbers.
std::vector<int64_t> cuts(const caffe::SliceParameter& param, int64_t size, int tops) {
  std::vector<int64_t> out{0};
  for (int i = 1; i < tops; ++i)
    out.push_back(param.slice_point_size() > 0 ? param.slice_point(i - 1) : size / tops * i);
  out.push_back(size);
  return out;
}

class Slice final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter&) const override {
    return {.max_tops = Signature::kAny};
  }

  bool moves(int) const override { return true; }

  void infer(Inference& in) const override {
    const int axis = checked_axis(in);
    const int64_t size = in.bottom(0)[axis];
    check_points(in, size);
    const std::vector<int64_t> cut = cuts(in.param().slice_param(), size, in.tops());
    for (int i = 0; i < in.tops(); ++i) {
      const auto at = static_cast<size_t>(i);
      Shape top = in.bottom(0);
      top[axis] = cut[at + 1] - cut[at];
      in.set_top(i, top);
    }
  }

  void lower(Lowering& to) const override {
    if (to.tops() == 1) {
      to.set_top(0, to.bottom(0));
      return;
    }
    const auto& param = to.param().slice_param();
    const Shape x = to.shape(to.bottom(0));
    const int axis = from_front(static_cast<int>(written_axis(param)), x.rank());
    const std::vector<Value> pieces =
        slice(to, to.bottom(0), axis, cuts(param, x[axis], to.tops()));
    for (int i = 0; i < to.tops(); ++i) to.set_top(i, pieces[static_cast<size_t>(i)]);
  }

 private:
  static int checked_axis(const Inference& in) {
    const auto& param = in.param().slice_param();
    const int rank = in.bottom(0).rank();
    if (!param.has_slice_dim()) return in.axis("slice_param.axis", param.axis(), rank);
    if (param.has_axis())
      in.fail("slice_param.slice_dim", "slice_dim is given together with axis",
              "remove slice_dim, the old form");
    if (written_axis(param) >= rank)
      in.fail("slice_param.slice_dim",
              fmt::format("axis {} is out of range: the blob has {}", param.slice_dim(),
                          axes_text(rank)),
              "use `axis: 1` for the channels");
    return static_cast<int>(param.slice_dim());
  }

  static void check_points(const Inference& in, int64_t size) {
    const auto& points = in.param().slice_param().slice_point();
    if (points.empty()) {
      if (size % in.tops() != 0)
        in.fail("top", fmt::format("{} tops cannot share {} evenly", in.tops(), size),
                "write slice_point, the start of the second and later tops");
      return;
    }
    if (points.size() != in.tops() - 1)
      in.fail("slice_param.slice_point",
              fmt::format("{} points for {} tops", points.size(), in.tops()),
              "give one less than there are tops");
    int64_t last = 0;
    for (const uint32_t point : points) {
      if (point <= last || point >= size)
        in.fail("slice_param.slice_point",
                fmt::format("point {} after {} on an axis of {}", point, last, size),
                "points must rise, and lie inside the axis");
      last = point;
    }
  }
};

CREMA_LAYER("Slice", Slice);

}  // namespace
}  // namespace crema::layers
