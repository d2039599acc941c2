// Two blobs that every forward pass writes into an HDF5 file, as datasets `data` and `label`.
//   bottom 0, 1  (N, ...) of at most 4 axes each
//   tops         none
//   params       none
//   errors       no file name; more than 4 axes; different N
#include <fmt/format.h>

#include "layers/check.hpp"

namespace crema::layers {
namespace {

class Hdf5Output final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter&) const override {
    return {.min_bottoms = 2, .max_bottoms = 2, .min_tops = 0, .max_tops = 0};
  }

  void infer(Inference& in) const override {
    if (in.param().hdf5_output_param().file_name().empty())
      in.fail("hdf5_output_param.file_name", "no file is named",
              "write hdf5_output_param { file_name: \"...\" }");
    constexpr int kMostAxes = 4;
    for (int i = 0; i < 2; ++i)
      if (in.bottom(i).rank() > kMostAxes)
        in.fail(fmt::format("bottom[{}]", i),
                fmt::format("bottom {} has {}, but the datasets have 4", i,
                            axes_text(in.bottom(i).rank())),
                "put a Reshape or Flatten layer before it");
    const auto rows = [&](int i) { return in.bottom(i).rank() == 0 ? 1 : in.bottom(i)[0]; };
    if (rows(0) != rows(1))
      in.fail("",
              fmt::format("bottom 0 is {} and bottom 1 is {}: the number of rows differs",
                          in.bottom(0).text(), in.bottom(1).text()),
              "both must hold the same number of samples");
  }

  void lower(Lowering& to) const override {
    for (int i = 0; i < to.bottoms(); ++i) to.keep(to.bottom(i));
  }
};

CREMA_LAYER("HDF5Output", Hdf5Output);

}  // namespace
}  // namespace crema::layers
