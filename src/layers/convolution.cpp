// Convolution over the axes after the channel axis (cross-correlation, zero padding, as in Caffe).
//   bottoms  (N, C, D...) each, all of one shape; N stands for all axes before `axis`, and there
//            may be any number of spatial axes D, 0 included
//   tops     (N, K, D'...) one per bottom
//            D' = (D + 2 pad - dilation (kernel - 1) - 1) / stride + 1, rounded down
//   params   weight (K, C/group, kernel...);  bias (K) unless bias_term: false.  Both start at 0
//            where no filler is given, as in Caffe
//   errors   kernel, stride, pad, dilation: one value or one per spatial axis, or an _h/_w pair
//            with two spatial axes, not both; all but pad >= 1;  group divides C and K;  D' >= 1
#include "layers/convolution_base.hpp"
#include "layers/windows.hpp"
#include "ops/linear.hpp"

namespace crema::layers {
namespace {

class Convolution final : public ConvolutionBase {
  Shape weight_channels(const Geometry& g) const override {
    return {g.outputs, g.channels / g.groups};
  }

  Shape output_sizes(const Inference& in, const Geometry& g, int axis) const override {
    return window_places(in, g.windows, in.bottom(0), axis);
  }

  ops::OpPtr make_op(const Geometry& g) const override {
    ops::Convolution op;
    static_cast<ops::Windows&>(op) = g.windows;
    op.groups = g.groups;
    op.bias = g.bias;
    return std::make_shared<const ops::Convolution>(std::move(op));
  }
};

CREMA_LAYER("Convolution", Convolution);

}  // namespace
}  // namespace crema::layers
