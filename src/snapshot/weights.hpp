// .caffemodel and .caffemodel.h5 files: named blobs, read from anybody's Caffe and written so that
// BVLC reads them. The formats are documented in proto/net.proto, proto/blob.proto and
// hdf5_file.hpp.
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
  std::vector<float> diff = {};  // written if there are any (snapshot_diff); never read
  // Another blob of the net owns the values: HDF5 files leave them out, and then there are none.
  bool shared = false;

  // BVLC's rule: exact, or for legacy shapes equal after padding the target with leading 1s.
  bool fits(const Shape& target) const;
};

struct LayerBlobs {
  // type as the file spells it: "Convolution", V1 "CONVOLUTION", V0 "conv"; HDF5 files have none
  std::string layer, type;
  std::vector<Blob> blobs;
};

struct WeightsFile {
  std::string path, net_name;
  bool hdf5 = false;               // a layer's last blobs may be missing if they are shared
  std::vector<LayerBlobs> layers;  // in file order, layers without blobs included
  uint32_t crc32 = 0;              // of the file's bytes
};

// Binary NetParameter, V0 and V1 layers included, or HDF5, whatever the name says; gradients in it
// are passed over. Every size is checked before it is believed, and memory beyond the result is
// that of one layer. Error{kWeights}: missing, truncated, not a weights file (what it is instead is
// said for solver states, text and Git LFS pointers).
WeightsFile read_weights(const std::string& path);

// crema's own record of NetParameter, written before the layers: how many there are. Without it a
// file that was cut off between two layers would pass for a whole one.
inline constexpr int kLayerCountField = 1000;

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

// The same as HDF5, without the definitions. Layer names must be good for it: hdf5_name_flaw().
uint32_t write_hdf5_weights(const std::string& path, const std::vector<LayerRecord>& layers);

// Why no HDF5 weights file can hold a layer of this name, "" if it can.
std::string hdf5_name_flaw(const std::string& layer);

}  // namespace crema::snapshot
