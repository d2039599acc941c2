#include "data/mean_file.hpp"

#include <fmt/format.h>

#include <limits>

#include "base/files.hpp"
#include "proto/blob.pb.h"

namespace crema::data {

namespace {

Shape shape_of(const caffe::BlobProto& blob) {
  const bool legacy =
      blob.has_num() || blob.has_channels() || blob.has_height() || blob.has_width();
  if (legacy) return Shape{blob.num(), blob.channels(), blob.height(), blob.width()};
  Shape shape;
  for (const int64_t dim : blob.shape().dim()) shape.append(dim);
  return shape;
}

// The element count, or -1 if a size is not positive or the product too large for any image.
int64_t checked_count(const Shape& shape) {
  int64_t count = 1;
  for (const int64_t dim : shape.dims()) {
    if (dim <= 0 || count > std::numeric_limits<int32_t>::max() / dim) return -1;
    count *= dim;
  }
  return count;
}

}  // namespace

MeanImage read_mean_file(const std::string& path) {
  const std::string bytes = read_file(path, ErrorCode::kData);
  const auto fail = [&path](const std::string& message) {
    return Error(ErrorCode::kData, fmt::format("the mean file '{}' {}", path, message));
  };
  caffe::BlobProto blob;
  if (bytes.empty() || !blob.ParseFromString(bytes))
    throw fail("is not a binary BlobProto").advise("compute_image_mean writes such files");
  MeanImage mean;
  mean.shape = shape_of(blob);
  if (mean.shape.rank() == 4 && mean.shape[0] == 1) mean.shape = mean.shape.slice(1, 4);
  const int64_t count = checked_count(mean.shape);
  if (mean.shape.rank() != 3 || count < 0)
    throw fail(fmt::format("is not one image: its shape is {}", shape_of(blob).text()));
  const bool doubles = blob.double_data_size() > 0;
  const int64_t present = doubles ? blob.double_data_size() : blob.data_size();
  if (present != count)
    throw fail(fmt::format("has {} values where its shape {} asks for {}", present,
                           mean.shape.text(), count));
  if (doubles)
    for (const double value : blob.double_data()) mean.values.push_back(static_cast<float>(value));
  else
    mean.values.assign(blob.data().begin(), blob.data().end());
  return mean;
}

}  // namespace crema::data
