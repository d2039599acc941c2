// Takes blobs that nobody reads, so that they are not outputs of the net. Computes nothing.
//   bottoms  one or more, any shapes
//   tops     none
//   params   none
#include "layers/layer.hpp"

namespace crema::layers {
namespace {

class Silence final : public Layer {
 public:
  Signature signature(const caffe::LayerParameter&) const override {
    return {.max_bottoms = Signature::kAny, .min_tops = 0, .max_tops = 0};
  }
  void infer(Inference&) const override {}
  void lower(Lowering&) const override {}
};

CREMA_LAYER("Silence", Silence);

}  // namespace
}  // namespace crema::layers
