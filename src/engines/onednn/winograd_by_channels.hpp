// Winograd's algorithm with all tiles at once and the outputs in pairs of blocks: where the weights
// are large and the tiles few. A pair's weights are transformed where they are used and the points
// of their gradient summed where they are turned back, so that neither lies in memory as a whole
// (at 36 points for 9 weights); results do not depend on the number of threads. Private to
// winograd.cpp.
#pragma once

#include "engines/onednn/winograd.hpp"

namespace crema::onednn::by_channels {

bool forward_pays(const Winograd& op);
size_t forward_scratch(const Winograd& op);  // bytes
void forward(const Winograd& op, const float* x, const float* weights, bool flipped,
             const WinogradOutput& output, float* y, float* scratch);

bool gradient_pays(const Winograd& op);
size_t gradient_scratch(const Winograd& op);
void gradient(const Winograd& op, const float* x, const float* dy, float* dw, float* scratch);

}  // namespace crema::onednn::by_channels
