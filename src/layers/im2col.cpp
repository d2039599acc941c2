// The windows of a convolution as columns: what Convolution multiplies its weights with.
//   bottom  (N, C, D...); N stands for all axes before convolution_param.axis (1)
//   top     (N, C * product of the kernel, D'...), D' as for Convolution; the kernel position is
//           the faster index of axis 1, its last axis fastest
//   params  none
//   errors  those of Convolution's kernel, stride, pad and dilation;  one spatial axis or more
#include <fmt/format.h>

#include "layers/check.hpp"
#include "layers/windows.hpp"
#include "ops/spatial.hpp"

namespace crema::layers {
namespace {

class Im2Col final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter&) const override { return {}; }

  void infer(Inference& in) const override {
    const Shape& x = in.bottom(0);
    const int axis =
        in.axis("convolution_param.axis", in.param().convolution_param().axis(), x.rank());
    if (axis == x.rank() - 1)
      in.fail(
          "bottom[0]",
          fmt::format("the bottom ({}) has no axes after axis {} to slide along", x.text(), axis),
          "set convolution_param.axis to the axis of the channels");
    const ops::Windows windows = check_windows(in, x.rank() - axis - 1);
    Shape top = x.slice(0, axis);
    check_size(in, "convolution_param.kernel_size", Shape(windows.kernel));
    top.append(x[axis] * Shape(windows.kernel).count());
    const Shape places = window_places(in, windows, x, axis);
    for (const int64_t size : places.dims()) top.append(size);
    set_checked_top(in, 0, top, "convolution_param.kernel_size");
  }

  void lower(Lowering& to) const override {
    const auto& param = to.param().convolution_param();
    const Shape x = to.shape(to.bottom(0));
    const int axis = from_front(param.axis(), x.rank());
    ops::Im2Col op;
    static_cast<ops::Windows&>(op) = read_windows(param, x.rank() - axis - 1);
    Shape folded{x.count(0, axis)};
    for (int i = axis; i < x.rank(); ++i) folded.append(x[i]);
    const Value y = to.emit1(std::move(op), {to.reshape(to.bottom(0), folded)});
    Shape top = x.slice(0, axis);
    for (int i = 1; i < to.shape(y).rank(); ++i) top.append(to.shape(y)[i]);
    to.set_top(0, to.reshape(y, top));
  }
};

CREMA_LAYER("Im2col", Im2Col);

}  // namespace
}  // namespace crema::layers
