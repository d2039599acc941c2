// Filler: normal with variance 2 / fan. He et al., "Delving deep into rectifiers", ICCV 2015.
#include <cmath>

#include "layers/filler.hpp"
#include "layers/fillers/draw.hpp"

namespace crema::layers {
namespace {

std::string check_msra(const caffe::FillerParameter&, const Shape& shape) {
  return need_axes(shape, "msra");
}

void draw_msra(const caffe::FillerParameter& filler, const Shape& shape, const RandomStream& stream,
               std::span<float> out) {
  const auto deviation = static_cast<float>(std::sqrt(2.0 / fan(filler, shape)));
  draw_normal(stream, 0, deviation, out);
}

CREMA_FILLER("msra", FillerType{check_msra, draw_msra});

}  // namespace
}  // namespace crema::layers
