// Filler: bilinear interpolation weights, for upsampling with Deconvolution. Every W x W plane has
// (1 - |x / F - c|) (1 - |y / F - c|) at column x and row y, F = ceil(W / 2), c = (W - 1) / (2 F).
#include <fmt/format.h>

#include <cmath>

#include "layers/filler.hpp"

namespace crema::layers {
namespace {

std::string check_bilinear(const caffe::FillerParameter&, const Shape& shape) {
  if (shape.rank() != 4)
    return fmt::format("the filler 'bilinear' needs 4 axes, but the blob ({}) has {}", shape.text(),
                       shape.rank());
  if (shape[2] != shape[3])
    return fmt::format("the filler 'bilinear' needs square planes, but the blob is {}",
                       shape.text());
  return {};
}

void draw_bilinear(const caffe::FillerParameter&, const Shape& shape, const RandomStream&,
                   std::span<float> out) {
  const auto side = static_cast<size_t>(shape[3]);
  const auto f = static_cast<double>((side + 1) / 2);
  const double c = static_cast<double>(side - 1) / (2 * f);
  const auto tent = [&](size_t at) { return 1 - std::abs(static_cast<double>(at) / f - c); };
  for (size_t i = 0; i < out.size(); ++i)
    out[i] = static_cast<float>(tent(i % side) * tent(i / side % side));
}

CREMA_FILLER("bilinear", FillerType{check_bilinear, draw_bilinear});

}  // namespace
}  // namespace crema::layers
