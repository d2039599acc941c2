// What a data layer would feed, told from its definition alone: for runs without data.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "tensor/shape.hpp"

namespace crema::data {

// Shapes of the layer's tops with the batch axis. The images have crop_size, else the type's own
// size; as many channels as there are mean_values, 1 with force_gray, 3 where that does not tell.
// Labels are one number per sample. `given` holds shapes without the batch axis by top name, which
// win. Error{kConfig} at the layer if a shape is neither given nor told, or too large.
std::vector<Shape> synthetic_shapes(const config::LayerConfig& layer,
                                    const std::map<std::string, Shape>& given);

// Sets the batch size of a data layer, where its type keeps it.
void set_batch_size(config::LayerConfig& layer, int64_t batch);

}  // namespace crema::data
