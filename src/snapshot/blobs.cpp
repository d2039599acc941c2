#include "snapshot/blobs.hpp"

#include <fmt/format.h>

#include <bit>

namespace crema::snapshot {

static_assert(std::endian::native == std::endian::little,
              "values are written as they lie in memory");

namespace {

constexpr int kMaxAxes = 32;

Shape shape_of(const caffe::BlobProto& proto, bool legacy) {
  if (legacy) return {proto.num(), proto.channels(), proto.height(), proto.width()};
  return Shape(std::vector<int64_t>(proto.shape().dim().begin(), proto.shape().dim().end()));
}

std::string_view bytes_of(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

}  // namespace

int64_t checked_count(const Shape& shape, const std::string& where) {
  if (shape.rank() > kMaxAxes)
    throw Error(ErrorCode::kWeights,
                fmt::format("{}: {} axes, at most {} are possible", where, shape.rank(), kMaxAxes));
  int64_t count = 1;
  bool empty = false, overflow = false;
  for (const int64_t dim : shape.dims()) {
    if (dim < 0)
      throw Error(ErrorCode::kWeights,
                  fmt::format("{}: negative size in the shape {}", where, shape.text()));
    empty |= dim == 0;
    overflow |= __builtin_mul_overflow(count, dim, &count);
  }
  if (overflow && !empty)
    throw Error(ErrorCode::kWeights,
                fmt::format("{}: the shape {} is too large", where, shape.text()));
  return empty ? 0 : count;
}

bool Blob::fits(const Shape& target) const {
  if (!legacy_shape) return shape == target;
  if (target.rank() > 4) return false;
  std::vector<int64_t> padded(static_cast<size_t>(4 - target.rank()), 1);
  padded.insert(padded.end(), target.dims().begin(), target.dims().end());
  return shape.dims() == padded;
}

Blob to_blob(const caffe::BlobProto& proto, const std::string& where) {
  Blob blob;
  blob.legacy_shape =
      proto.has_num() || proto.has_channels() || proto.has_height() || proto.has_width();
  blob.shape = shape_of(proto, blob.legacy_shape);
  const int64_t want = checked_count(blob.shape, where);
  const bool doubles = proto.double_data_size() > 0;
  const int64_t have = doubles ? proto.double_data_size() : proto.data_size();
  if (have != want)
    throw Error(ErrorCode::kWeights, fmt::format("{}: the shape {} needs {} values, there are {}",
                                                 where, blob.shape.text(), want, have));
  if (doubles)
    blob.values.assign(proto.double_data().begin(), proto.double_data().end());
  else
    blob.values.assign(proto.data().begin(), proto.data().end());
  return blob;
}

BlobRecord::BlobRecord(int field, const Blob& blob)
    : values(bytes_of(blob.values)), diff(bytes_of(blob.diff)) {
  CREMA_CHECK(static_cast<int64_t>(blob.values.size()) == blob.shape.count(),
              "a blob's values do not fill its shape");
  CREMA_CHECK(blob.diff.empty() || blob.diff.size() == blob.values.size(),
              "a blob's diff does not fill its shape");
  caffe::BlobProto shape;
  shape.mutable_shape()->mutable_dim()->Add(blob.shape.dims().begin(), blob.shape.dims().end());
  std::string inner = shape.SerializeAsString();
  append_key(inner, caffe::BlobProto::kDataFieldNumber, Wire::kBytes);
  append_varint(inner, values.size());
  if (!diff.empty()) {
    append_key(diff_head, caffe::BlobProto::kDiffFieldNumber, Wire::kBytes);
    append_varint(diff_head, diff.size());
  }
  append_key(head, field, Wire::kBytes);
  append_varint(head, inner.size() + values.size() + diff_head.size() + diff.size());
  head += inner;
}

void BlobRecord::write(RecordWriter& file) const {
  for (const std::string_view piece :
       {std::string_view(head), values, std::string_view(diff_head), diff})
    file.write(piece);
}

}  // namespace crema::snapshot
