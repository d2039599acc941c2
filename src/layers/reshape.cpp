// The same elements in another shape: axes [axis, axis + num_axes) are replaced by `shape`.
//   bottom  any shape
//   top     dim 0 keeps the bottom's size at that place, one dim -1 follows from the others
//   params  none
//   axis    counts from the front; -1 is *after* the last axis (other layers: the last one)
//   errors  axis and num_axes within the bottom;  at most one -1;  an axis to copy for each 0;
//           equal numbers of elements
#include <fmt/format.h>

#include "layers/check.hpp"

namespace crema::layers {
namespace {

constexpr const char* kShape = "reshape_param.shape";

struct Range {
  int begin, end;
};

Range replaced(const caffe::ReshapeParameter& param, int rank) {
  const int begin = param.axis() >= 0 ? param.axis() : rank + param.axis() + 1;
  return {begin, param.num_axes() == -1 ? rank : begin + param.num_axes()};
}

Range check_range(const Inference& in, const caffe::ReshapeParameter& param, int rank) {
  if (param.axis() > rank || param.axis() < -rank - 1)
    in.fail("reshape_param.axis",
            fmt::format("axis {} is out of range: the blob has {}", param.axis(), axes_text(rank)),
            fmt::format("write a number from {} to {}", -rank - 1, rank));
  const int begin = replaced(param, rank).begin;
  if (param.num_axes() < -1 || param.num_axes() > rank - begin)
    in.fail("reshape_param.num_axes",
            fmt::format("num_axes is {} from axis {} on, but the blob has {}", param.num_axes(),
                        begin, axes_text(rank)),
            fmt::format("write a number from 0 to {}, or -1 for all the rest", rank - begin));
  return replaced(param, rank);
}

// `shape` as written with every 0 replaced; -1 is left for the end.
Shape written_shape(const Inference& in, const Shape& x, Range range) {
  caffe::BlobShape sizes = in.param().reshape_param().shape();
  int inferred = 0;
  for (int i = 0; i < sizes.dim_size(); ++i) {
    if (sizes.dim(i) == 0 && range.begin + i >= x.rank())
      in.fail(kShape,
              fmt::format("dim {} is 0, but the bottom ({}) has no axis {} to copy", i, x.text(),
                          range.begin + i),
              "write the size");
    if (sizes.dim(i) == 0) sizes.set_dim(i, x[range.begin + i]);
    if (sizes.dim(i) == -1 && ++inferred > 1)
      in.fail(kShape, "more than one dim is -1", "only one size can follow from the others");
    if (sizes.dim(i) == -1) sizes.set_dim(i, 1);
  }
  return read_shape(in, kShape, sizes);
}

class Reshape final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter&) const override { return {.in_place = false}; }

  bool moves(int) const override { return true; }

  void infer(Inference& in) const override {
    const auto& param = in.param().reshape_param();
    const Shape& x = in.bottom(0);
    const Range range = check_range(in, param, x.rank());
    const Shape middle = written_shape(in, x, range);
    Shape top = x.slice(0, range.begin);
    for (const int64_t dim : middle.dims()) top.append(dim);
    for (int i = range.end; i < x.rank(); ++i) top.append(x[i]);
    check_size(in, kShape, top);
    for (int i = 0; i < middle.rank(); ++i)
      if (param.shape().dim(i) == -1) infer_size(in, x, range.begin + i, top);
    if (top.count() != x.count())
      in.fail(kShape,
              fmt::format("the bottom ({}) has {} elements, the new shape ({}) has {}", x.text(),
                          x.count(), top.text(), top.count()),
              "both must have as many; a dim of -1 is computed from the others");
    in.set_top(0, top);
  }

  void lower(Lowering& to) const override {
    // infer() has accepted the shape: only the -1 has to be found again.
    const auto& param = to.param().reshape_param();
    const Shape x = to.shape(to.bottom(0));
    const Range range = replaced(param, x.rank());
    Shape top = x.slice(0, range.begin);
    int open = -1;
    for (int i = 0; i < param.shape().dim_size(); ++i) {
      const int64_t dim = param.shape().dim(i);
      if (dim == -1) open = top.rank();
      top.append(dim == 0 ? x[range.begin + i] : dim == -1 ? 1 : dim);
    }
    for (int i = range.end; i < x.rank(); ++i) top.append(x[i]);
    if (open >= 0) top[open] = x.count() / top.count();
    to.set_top(0, to.reshape(to.bottom(0), top));
  }

 private:
  // Sets top[axis], which is 1 so far, so that the counts agree.
  static void infer_size(const Inference& in, const Shape& x, int axis, Shape& top) {
    const int64_t others = top.count();
    if (others == 0 || x.count() % others != 0)
      in.fail(kShape,
              fmt::format("the {} elements of the bottom ({}) cannot be divided by {}, the product "
                          "of the other sizes",
                          x.count(), x.text(), others),
              "correct the other sizes");
    top[axis] = x.count() / others;
  }
};

CREMA_LAYER("Reshape", Reshape);

}  // namespace
}  // namespace crema::layers
