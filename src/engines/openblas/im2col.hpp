// The matrix form of a convolution over any number of spatial axes.
#pragma once

#include <cstdint>
#include <vector>

namespace crema::openblas {

// One spatial axis, of the image and of the window.
struct Axis {
  int64_t in, out, kernel, stride, pad, dilation;

  // Where output position o meets the image under kernel position k; may lie outside.
  int64_t position(int64_t o, int64_t k) const { return o * stride - pad + k * dilation; }
};

// One image and its windows: the columns matrix has one row per (channel, kernel position), one
// column per output position.
struct Windows {
  int64_t channels = 0;
  std::vector<Axis> axes;  // at least one

  int64_t image_size() const;   // of one channel
  int64_t kernel_size() const;  // of one channel
  int64_t rows() const { return channels * kernel_size(); }
  int64_t columns() const;
  // The columns matrix is the image itself (1x1, stride 1, no padding).
  bool trivial() const;
};

// Rows [begin, end) of the columns matrix of `image` (channels, spatial...); zero outside the
// image.
void im2col(const Windows& windows, const float* image, int64_t begin, int64_t end, float* columns);

// The transpose: adds every column element of channels [begin, end) to the image element it was
// read from. The image must be zeroed before.
void col2im(const Windows& windows, const float* columns, int64_t begin, int64_t end, float* image);

}  // namespace crema::openblas
