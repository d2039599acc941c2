// What the module libcrema_images offers to the program.
//
// OpenCV brings a hundred libraries along, which would cost every run 35 MB and 70 ms: they are in
// a module of their own, which the first encoded image loads (data/image_decoder.cpp).
#pragma once

#include <cstddef>

namespace crema {

// Interleaved pixels of 8 bits per channel, rows `row_bytes` apart.
using TakePixels = void (*)(void* context, const unsigned char* pixels, int height, int width,
                            int channels, size_t row_bytes);

// The channels wanted: those of the file, 3 (B, G, R) or 1.
enum class Colour { kAsStored, kColour, kGray };

// Decodes an image file and hands its pixels to take(); 0. Otherwise writes why not into `why`, and
// returns another number.
using DecodeImage = int (*)(const unsigned char* file, size_t bytes, Colour colour, TakePixels take,
                            void* context, char* why, size_t why_bytes);
inline constexpr const char* kDecodeImage = "crema_decode_image";

}  // namespace crema
