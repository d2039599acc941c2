// Image files (JPEG, PNG and what else OpenCV reads) to pixels.
#pragma once

#include <string>
#include <string_view>

#include "base/image_module.hpp"
#include "data/source.hpp"

namespace crema::data {

// Decodes the bytes of an image file into (C, H, W) bytes, channels in the order B, G, R.
// Error{kData}, beginning with `what`, if they are no image or have not 8 bits per channel.
void decode_image(std::string_view file, Colour colour, const std::string& what, Field& out);

}  // namespace crema::data
