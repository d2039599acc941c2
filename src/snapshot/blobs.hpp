// Blobs to and from their form in files.
#pragma once

#include <string>

#include "proto/blob.pb.h"
#include "snapshot/records.hpp"
#include "snapshot/weights.hpp"

namespace crema::snapshot {

// The element count of a file's shape, which is not believed: Error{kWeights} starting with `where`
// for a negative size, an impossible count or too many axes.
int64_t checked_count(const Shape& shape, const std::string& where);

// Error{kWeights} starting with `where` ("'x.caffemodel', layer 'conv1', blob 0") unless the shape
// is sound and there are as many values as it says.
Blob to_blob(const caffe::BlobProto& proto, const std::string& where);

// A BlobProto record, in pieces: its bytes are head + values + diff_head + diff, the latter two
// empty without a diff.
struct BlobRecord {
  BlobRecord(int field, const Blob& blob);
  std::string head, diff_head;
  std::string_view values, diff;
  size_t size() const { return head.size() + values.size() + diff_head.size() + diff.size(); }
  void write(RecordWriter& file) const;
};

}  // namespace crema::snapshot
