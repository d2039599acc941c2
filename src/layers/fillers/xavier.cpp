// Filler: uniform in [-a, a], a = sqrt(3 / fan), so that the variance is 1 / fan. Glorot and
// Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS
// 2010.
#include <cmath>

#include "layers/filler.hpp"
#include "layers/fillers/draw.hpp"

namespace crema::layers {
namespace {

std::string check_xavier(const caffe::FillerParameter&, const Shape& shape) {
  return need_axes(shape, "xavier");
}

void draw_xavier(const caffe::FillerParameter& filler, const Shape& shape,
                 const RandomStream& stream, std::span<float> out) {
  const auto limit = static_cast<float>(std::sqrt(3.0 / fan(filler, shape)));
  draw_uniform(stream, -limit, limit, out);
}

CREMA_FILLER("xavier", FillerType{check_xavier, draw_xavier});

}  // namespace
}  // namespace crema::layers
