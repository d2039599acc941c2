// Arrays that the program hands over: images and a label each, in batches.
//   bottoms  none
//   tops     (batch_size, channels, height, width);  (batch_size, 1, 1, 1) labels, which is the
//            shape that they have in Caffe once there are data
//   params   none
//   errors   a size that is not given or 0
#include <fmt/format.h>

#include "layers/check.hpp"

namespace crema::layers {
namespace {

class MemoryData final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter&) const override {
    return {.min_bottoms = 0, .max_bottoms = 0, .min_tops = 2, .max_tops = 2};
  }

  void infer(Inference& in) const override {
    const auto& param = in.param().memory_data_param();
    const auto size = [&](const char* name, uint32_t value) {
      if (value == 0)
        in.fail(fmt::format("memory_data_param.{}", name),
                fmt::format("{} is not given, or 0", name),
                "batch_size, channels, height and width must all be given and positive");
      return int64_t{value};
    };
    const int64_t batch = size("batch_size", param.batch_size());
    const Shape images{batch, size("channels", param.channels()), size("height", param.height()),
                       size("width", param.width())};
    set_checked_top(in, 0, images, "memory_data_param");
    in.set_top(1, Shape{batch, 1, 1, 1});
  }

  void lower(Lowering& to) const override {
    for (int i = 0; i < to.tops(); ++i) to.set_top(i, to.input(i));
  }
};

CREMA_LAYER("MemoryData", MemoryData);

}  // namespace
}  // namespace crema::layers
