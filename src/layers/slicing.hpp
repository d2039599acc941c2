// Cutting a value into pieces: the Slice layer, and time in recurrent layers.
#pragma once

#include <vector>

#include "layers/layer.hpp"

namespace crema::layers {

// The pieces of a value along an axis. `cuts`: 0, where each further piece starts, the axis's size.
std::vector<Value> slice(Lowering& to, Value value, int axis, const std::vector<int64_t>& cuts);

}  // namespace crema::layers
