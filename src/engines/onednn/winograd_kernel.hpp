// Our own Winograd convolutions as kernels: where oneDNN has none (5x5, groups, AVX2), or one that
// needs much memory.
#pragma once

#include "engines/onednn/post.hpp"
#include "engines/onednn/winograd.hpp"

namespace crema::onednn {

// The algorithm for a convolution of these shapes; empty if it cannot be done so, or if it is too
// small to pay.
std::optional<Winograd> winograd_for(const ops::Convolution& op, const Shape& x, const Shape& y);

// Forward, with what follows, or a gradient part.
ops::Answer winograd(const ops::KernelRequest& request, const ops::Convolution& op,
                     const ops::Post& post, const Winograd& w);

}  // namespace crema::onednn
