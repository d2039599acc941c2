// Blobs that the program feeds: the inputs of the net.
//   bottoms  none
//   tops     one or more, input_param.shape: one for all of them or one each
//   params   none
//   errors   no shape (Caffe leaves such tops to be shaped by the calling program)
#include <fmt/format.h>

#include "layers/check.hpp"

namespace crema::layers {
namespace {

class Input final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter&) const override {
    return {.min_bottoms = 0, .max_bottoms = 0, .max_tops = Signature::kAny};
  }

  void infer(Inference& in) const override {
    const auto& param = in.param().input_param();
    const char* field = "input_param.shape";
    const int given = param.shape_size();
    if (given == 0) in.fail(field, "no shape is given", "write input_param { shape { dim: ... } }");
    if (given != 1 && given != in.tops())
      in.fail(field, fmt::format("{} shapes for {} tops", given, in.tops()),
              "give one for all tops, or one each");
    for (int i = 0; i < in.tops(); ++i) {
      const int at = given == 1 ? 0 : i;
      in.set_top(i, read_shape(in, fmt::format("{}[{}]", field, at), param.shape(at)));
    }
  }

  void lower(Lowering& to) const override {
    for (int i = 0; i < to.tops(); ++i) to.set_top(i, to.input(i));
  }
};

CREMA_LAYER("Input", Input);

}  // namespace
}  // namespace crema::layers
