// Filler: uniform in (0, 1], then each row (index on axis 0) is divided by its sum.
#include <numeric>

#include "layers/filler.hpp"
#include "layers/fillers/draw.hpp"

namespace crema::layers {
namespace {

std::string check_positive_unitball(const caffe::FillerParameter&, const Shape& shape) {
  return need_axes(shape, "positive_unitball");
}

void draw_positive_unitball(const caffe::FillerParameter&, const Shape& shape,
                            const RandomStream& stream, std::span<float> out) {
  draw_uniform(stream, 0, 1, out);
  const size_t row = out.size() / static_cast<size_t>(shape[0]);
  for (size_t begin = 0; begin < out.size(); begin += row) {
    const std::span<float> values = out.subspan(begin, row);
    for (float& value : values) value = 1 - value;  // [0, 1) to (0, 1]: no row sums to 0
    const double sum = std::accumulate(values.begin(), values.end(), 0.0);
    for (float& value : values) value = static_cast<float>(value / sum);
  }
}

CREMA_FILLER("positive_unitball", FillerType{check_positive_unitball, draw_positive_unitball});

}  // namespace
}  // namespace crema::layers
