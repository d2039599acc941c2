// Mean images in Caffe's format: a bare binary BlobProto.
#pragma once

#include <string>
#include <vector>

#include "tensor/shape.hpp"

namespace crema::data {

struct MeanImage {
  Shape shape;  // (C, H, W)
  std::vector<float> values;
};

// Reads a mean file; legacy sizes or `shape`, floats or doubles. Error{kData} if it cannot be read,
// is no BlobProto, is not one C x H x W image, or has another number of values than its shape.
MeanImage read_mean_file(const std::string& path);

}  // namespace crema::data
