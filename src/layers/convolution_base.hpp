// What Convolution and Deconvolution share: everything but the direction.
#pragma once

#include "layers/layer.hpp"
#include "ops/windows.hpp"

namespace crema::layers {

class ConvolutionBase : public Layer {
 public:
  Signature signature(const caffe::LayerParameter& param) const final;
  void infer(Inference& in) const final;
  void lower(Lowering& to) const final;

 protected:
  struct Geometry {
    ops::Windows windows;
    int64_t channels, outputs, groups;
    bool bias;
  };

 private:
  // The weights' first two axes.
  virtual Shape weight_channels(const Geometry& g) const = 0;
  // Sizes of the top's axes after the channels; fails if there would be nothing.
  virtual Shape output_sizes(const Inference& in, const Geometry& g, int axis) const = 0;
  virtual ops::OpPtr make_op(const Geometry& g) const = 0;
};

}  // namespace crema::layers
