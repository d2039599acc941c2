// Transposed convolution, which enlarges: the data gradient of a Convolution with these settings.
//   bottoms  (N, C, D...) each, all of one shape, as for Convolution
//   tops     (N, K, D'...) one per bottom
//            D' = stride (D - 1) + dilation (kernel - 1) + 1 - 2 pad
//   params   weight (C, K/group, kernel...), input channels first;  bias (K) unless bias_term:
//            false.  Both start at 0 where no filler is given, as in Caffe
//   errors   those of Convolution;  D' >= 1
#include <fmt/format.h>

#include "layers/convolution_base.hpp"
#include "layers/windows.hpp"
#include "ops/linear.hpp"

namespace crema::layers {
namespace {

class Deconvolution final : public ConvolutionBase {
  Shape weight_channels(const Geometry& g) const override {
    return {g.channels, g.outputs / g.groups};
  }

  Shape output_sizes(const Inference& in, const Geometry& g, int axis) const override {
    const Shape& x = in.bottom(0);
    Shape sizes;
    for (int i = axis + 1; i < x.rank(); ++i) {
      const auto s = static_cast<size_t>(i - axis - 1);
      const int64_t size = g.windows.cells(s, x[i]);
      if (size < 1)
        in.fail(in.param().convolution_param().has_pad_h() ? "convolution_param.pad_h"
                                                           : "convolution_param.pad",
                fmt::format("{} cells of spatial axis {} are enlarged to {}, of which the padding "
                            "takes {}",
                            x[i], s, size + 2 * g.windows.pad[s], 2 * g.windows.pad[s]),
                "use less padding or a larger kernel");
      sizes.append(size);
    }
    return sizes;
  }

  ops::OpPtr make_op(const Geometry& g) const override {
    ops::Deconvolution op;
    static_cast<ops::Windows&>(op) = g.windows;
    op.groups = g.groups;
    op.bias = g.bias;
    return std::make_shared<const ops::Deconvolution>(std::move(op));
  }
};

CREMA_LAYER("Deconvolution", Deconvolution);

}  // namespace
}  // namespace crema::layers
