// Filler: uniform between min (0) and max (1).
#include <fmt/format.h>

#include <cmath>

#include "layers/filler.hpp"
#include "layers/fillers/draw.hpp"

namespace crema::layers {
namespace {

std::string check_uniform(const caffe::FillerParameter& filler, const Shape&) {
  if (!std::isfinite(filler.min()) || !std::isfinite(filler.max()))
    return fmt::format("min {} and max {} must be finite", filler.min(), filler.max());
  if (filler.min() > filler.max())
    return fmt::format("min {} is greater than max {}", filler.min(), filler.max());
  return {};
}

void draw_uniform_filler(const caffe::FillerParameter& filler, const Shape&,
                         const RandomStream& stream, std::span<float> out) {
  draw_uniform(stream, filler.min(), filler.max(), out);
}

CREMA_FILLER("uniform", FillerType{check_uniform, draw_uniform_filler});

}  // namespace
}  // namespace crema::layers
