// Filler: every element is `value` (0).
#include <algorithm>

#include "layers/filler.hpp"

namespace crema::layers {
namespace {

std::string check_constant(const caffe::FillerParameter&, const Shape&) {
  return {};
}

void draw_constant(const caffe::FillerParameter& filler, const Shape&, const RandomStream&,
                   std::span<float> out) {
  std::fill(out.begin(), out.end(), filler.value());
}

CREMA_FILLER("constant", FillerType{check_constant, draw_constant});

}  // namespace
}  // namespace crema::layers
