// Blobs to and from their form in files.
#pragma once

#include <string>

#include "proto/blob.pb.h"
#include "snapshot/records.hpp"
#include "snapshot/weights.hpp"

namespace crema::snapshot {

// Error{kWeights} starting with `where` ("'x.caffemodel', layer 'conv1', blob 0") unless the shape
// is sound and there are as many values as it says.
Blob to_blob(const caffe::BlobProto& proto, const std::string& where);

// A BlobProto record: its bytes are head + values.
struct BlobRecord {
  BlobRecord(int field, const Blob& blob);
  std::string head;
  std::string_view values;
  size_t size() const { return head.size() + values.size(); }
};

}  // namespace crema::snapshot
