// The kernel, stride, pad and dilation that Convolution, Deconvolution and Im2col share.
#pragma once

#include "layers/layer.hpp"
#include "ops/windows.hpp"
#include "proto/layers.pb.h"

namespace crema::layers {

// As written in convolution_param, for a bottom with so many spatial axes; infer() has accepted it.
ops::Windows read_windows(const caffe::ConvolutionParameter& param, int spatial);

// The same with every mistake of the definition reported at its field: one value or one per spatial
// axis, or an _h/_w pair with two spatial axes, not both; all but pad at least 1; no cuDNN.
ops::Windows check_windows(const Inference& in, int spatial);

// Places of the window on the shape's axes after `axis`; fails where the kernel is larger than the
// padded axis.
Shape window_places(const Inference& in, const ops::Windows& windows, const Shape& x, int axis);

}  // namespace crema::layers
