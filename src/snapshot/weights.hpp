// .caffemodel files: named blobs, read from anybody's Caffe and written so that BVLC reads them.
// The format is documented in proto/net.proto and proto/blob.proto.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "proto/net.pb.h"
#include "tensor/shape.hpp"

namespace crema::snapshot {

// A blob as stored: values in row-major order, as many as the shape says.
struct Blob {
  Shape shape;
  bool legacy_shape = false;  // 4-D num/channels/height/width: matches a blob of fewer axes
  std::vector<float> values;

  // BVLC's rule: exact, or for legacy shapes equal after padding the target with leading 1s.
  bool fits(const Shape& target) const;
};

struct LayerBlobs {
  std::string layer,
      type;  // type as the file spells it: "Convolution", V1 "CONVOLUTION", V0 "conv"
  std::vector<Blob> blobs;
};

struct WeightsFile {
  std::string path, net_name;
  std::vector<LayerBlobs> layers;  // in file order, layers without blobs included
  uint32_t crc32 = 0;              // of the file's bytes
};

// Binary NetParameter, V0 and V1 layers included; gradients in it are passed over. Every size is
// checked before it is believed, and memory beyond the result is that of one layer.
// Error{kWeights}: missing, truncated, not a weights file (what it is instead is said for solver
// states, HDF5, text and Git LFS pointers).
WeightsFile read_weights(const std::string& path);

struct LayerRecord {
  caffe::LayerParameter definition;  // without blobs
  std::vector<Blob> blobs;  // always written with their present shape, never the legacy one
};

// What readers of the format accept.
inline constexpr int64_t kMaxFileBytes = 0x7fffffff;

// Writes atomically: each layer's definition with its blobs as shape + float data. Returns the
// CRC-32 of the file. Error{kOutput}; for more than `limit` bytes before anything is written.
uint32_t write_weights(const std::string& path, const std::string& net_name,
                       const std::vector<LayerRecord>& layers, int64_t limit = kMaxFileBytes);

}  // namespace crema::snapshot
