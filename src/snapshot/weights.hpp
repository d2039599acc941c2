// .caffemodel files: named blobs, read from anybody's Caffe and written so that BVLC reads them.
// The format is documented in proto/net.proto and proto/blob.proto.
#pragma once

#include <string>
#include <vector>

#include "proto/net.pb.h"
#include "tensor/shape.hpp"

namespace crema::snapshot {

// A blob as stored: values in row-major order.
struct Blob {
  Shape shape;
  bool legacy_shape = false;  // 4-D num/channels/height/width: matches a blob of fewer axes
  std::vector<float> values;

  // BVLC's rule (net.md section 8): exact, or for legacy shapes equal after padding with leading 1s.
  bool fits(const Shape& target) const;
};

struct LayerBlobs {
  std::string layer, type;
  std::vector<Blob> blobs;
};

struct WeightsFile {
  std::string path, net_name;
  std::vector<LayerBlobs> layers;  // in file order, layers without blobs included
  uint32_t crc32 = 0;              // of the file's bytes
};

// Binary NetParameter, V0 and V1 layers included. Every size is checked before it is believed.
// Error{kWeights}: missing, truncated, not a weights file (says so if it is a solver state or HDF5).
WeightsFile read_weights(const std::string& path);

// Writes atomically: each layer's definition with its blobs as shape + float data. Returns the
// CRC-32 of the file. Error{kOutput}.
struct LayerRecord {
  caffe::LayerParameter definition;  // without blobs
  std::vector<Blob> blobs;
};
uint32_t write_weights(const std::string& path, const std::string& net_name,
                       const std::vector<LayerRecord>& layers);

}  // namespace crema::snapshot
