// Every top is the bottom; their gradients add up. Nets need not write it: several layers may read
// one blob.
//   bottom  any shape
//   tops    one or more, the bottom's shape
//   params  none
#include "layers/layer.hpp"

namespace crema::layers {
namespace {

class Split final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter&) const override {
    return {.max_tops = Signature::kAny, .in_place = false};
  }

  void infer(Inference& in) const override {
    for (int i = 0; i < in.tops(); ++i) in.set_top(i, in.bottom(0));
  }

  void lower(Lowering& to) const override {
    for (int i = 0; i < to.tops(); ++i) to.set_top(i, to.bottom(0));
  }
};

CREMA_LAYER("Split", Split);

}  // namespace
}  // namespace crema::layers
