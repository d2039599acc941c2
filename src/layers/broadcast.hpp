// What Scale and Bias share: an operand with some consecutive axes of the bottom.
#pragma once

#include <string_view>

#include "layers/layer.hpp"

namespace crema::layers {

// The operand is a blob of the layer: bottom 0's axes [axis, axis + num_axes), num_axes -1 meaning
// to the end and 0 a single number. Fails at "<param>.axis" or "<param>.num_axes".
Shape learned_operand(const Inference& in, std::string_view param, int axis, int num_axes);

// The operand is bottom 1: fails unless it has bottom 0's axes from `axis` on. An operand without
// axes is a single number, whatever `axis` says.
void check_operand_bottom(const Inference& in, std::string_view param, int axis);

// The axis of an operand that was accepted.
int operand_axis(int axis, int bottom_rank, const Shape& operand);

}  // namespace crema::layers
