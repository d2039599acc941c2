// Filler: normal with mean (0) and std (1). With sparse: s each element is kept with probability
// s / (size of axis 0) and is 0 otherwise.
#include <fmt/format.h>

#include <cmath>

#include "layers/filler.hpp"
#include "layers/fillers/draw.hpp"

namespace crema::layers {
namespace {

std::string check_gaussian(const caffe::FillerParameter& filler, const Shape& shape) {
  if (!(filler.std() > 0) || !std::isfinite(filler.std()))
    return fmt::format("std {} is not possible; it must be greater than 0", filler.std());
  if (!std::isfinite(filler.mean())) return fmt::format("mean {} must be finite", filler.mean());
  if (filler.sparse() == -1) return {};
  if (shape.rank() == 0) return "sparse needs a blob with at least one axis";
  if (filler.sparse() < 0 || filler.sparse() > shape[0])
    return fmt::format(
        "sparse {} is out of range for axis 0 of size {}; write 0 to {}, or -1 for "
        "no sparsity",
        filler.sparse(), shape[0], shape[0]);
  return {};
}

// Element i uses block i alone: two words for the value, the third for whether it is kept.
void draw_sparse(const caffe::FillerParameter& filler, const Shape& shape,
                 const RandomStream& stream, std::span<float> out) {
  const float keep = static_cast<float>(filler.sparse()) / static_cast<float>(shape[0]);
  for (size_t i = 0; i < out.size(); ++i)
    out[i] = stream.uniform(4 * i + 2) < keep ? filler.mean() + filler.std() * stream.normal(2 * i)
                                              : 0.0f;
}

void draw_gaussian(const caffe::FillerParameter& filler, const Shape& shape,
                   const RandomStream& stream, std::span<float> out) {
  if (filler.sparse() >= 0) return draw_sparse(filler, shape, stream, out);
  draw_normal(stream, filler.mean(), filler.std(), out);
}

CREMA_FILLER("gaussian", FillerType{check_gaussian, draw_gaussian});

}  // namespace
}  // namespace crema::layers
