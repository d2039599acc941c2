// Our own Winograd convolutions as kernels: where oneDNN has none (5x5, groups, AVX2), or one that
// needs much memory.
#pragma once

#include "engines/onednn/post.hpp"
#include "engines/onednn/winograd.hpp"

namespace crema::onednn {

// The algorithm for a convolution of these shapes; empty if it cannot be done so, or if it is too
// small to pay.
std::optional<Winograd> winograd_for(const ops::Convolution& op, const Shape& x, const Shape& y);

// Whether it is faster than a direct convolution in bf16, conversions included. Measured on a Zen
// 4, on 27 and more positions a side: 5x5 1.3 to 2 times, 3x3 1.1 to 1.4 times, which pays for
// converting where there are channels enough; slower on 14 and 7, where tiles hang over. AMX is
// another matter.
bool beats_bf16(const Winograd& w);

// Forward, with what follows, or a gradient part.
ops::Answer winograd(const ops::KernelRequest& request, const ops::Convolution& op,
                     const ops::Post& post, const Winograd& w);

}  // namespace crema::onednn
