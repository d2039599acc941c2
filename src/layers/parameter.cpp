// A learnable blob as a top.
//   bottoms  none
//   top      parameter_param.shape
//   params   value, of that shape, initially 0
#include "layers/check.hpp"

namespace crema::layers {
namespace {

class Parameter final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter&) const override {
    return {.min_bottoms = 0, .max_bottoms = 0};
  }

  void infer(Inference& in) const override {
    const char* field = "parameter_param.shape";
    const Shape shape = read_shape(in, field, in.param().parameter_param().shape());
    declare(in, "value", shape, {}, field);
    in.set_top(0, shape);
  }

  void lower(Lowering& to) const override { to.set_top(0, to.blob(0)); }
};

CREMA_LAYER("Parameter", Parameter);

}  // namespace
}  // namespace crema::layers
