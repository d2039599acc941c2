// How a kernel slides over the spatial axes of a blob.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace crema::ops {

// One number per spatial axis in each list.
struct Windows {
  std::vector<int64_t> kernel, stride, pad, dilation;

  // Cells between the first and the last that the kernel meets, both included.
  int64_t extent(size_t axis) const { return dilation[axis] * (kernel[axis] - 1) + 1; }
  // Places of the kernel on `cells` cells and their padding (integer division).
  int64_t places(size_t axis, int64_t cells) const {
    return (cells + 2 * pad[axis] - extent(axis)) / stride[axis] + 1;
  }
  // The inverse: cells that `places` places cover, without the padding.
  int64_t cells(size_t axis, int64_t places) const {
    return stride[axis] * (places - 1) + extent(axis) - 2 * pad[axis];
  }
  // "3x3 stride 1x1 pad 1x1", with the dilation where it is not 1.
  std::string text() const;
};

}  // namespace crema::ops
