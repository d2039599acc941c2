#include "data/datum.hpp"

#include <fmt/format.h>

#include <limits>

#include "proto/blob.pb.h"

namespace crema::data {

namespace {

Error broken(const std::string& what, const std::string& message) {
  return Error(ErrorCode::kData, fmt::format("{} {}", what, message));
}

// C·H·W, or 0 if a size is not positive or the product is beyond what any record can hold.
int64_t element_count(const caffe::Datum& datum) {
  int64_t count = 1;
  for (const int64_t size : {datum.channels(), datum.height(), datum.width()}) {
    if (size <= 0 || count > std::numeric_limits<int32_t>::max() / size) return 0;
    count *= size;
  }
  return count;
}

void take_values(const caffe::Datum& datum, const std::string& what, Field& image) {
  const int64_t count = element_count(datum);
  if (count == 0)
    throw broken(what, fmt::format("has the impossible size {}x{}x{}", datum.channels(),
                                   datum.height(), datum.width()));
  const bool bytes = !datum.data().empty();
  const int64_t present =
      bytes ? static_cast<int64_t>(datum.data().size()) : int64_t{datum.float_data_size()};
  if (present != count)
    throw broken(what, fmt::format("has {} values where its size {}x{}x{} asks for {}", present,
                                   datum.channels(), datum.height(), datum.width(), count));
  image.shape = Shape{datum.channels(), datum.height(), datum.width()};
  image.bytes.assign(datum.data().begin(), datum.data().end());
  image.values.assign(datum.float_data().begin(),
                      bytes ? datum.float_data().begin() : datum.float_data().end());
}

}  // namespace

void parse_datum(std::string_view record, Colour colour, const std::string& what, Sample& out) {
  caffe::Datum datum;
  if (record.size() > static_cast<size_t>(std::numeric_limits<int>::max()) ||
      !datum.ParseFromArray(record.data(), static_cast<int>(record.size())))
    throw broken(what, "is not a Datum")
        .advise("the database is damaged, or was not written by a Caffe tool");
  if (datum.encoded())
    decode_image(datum.data(), colour, what, out[0]);
  else
    take_values(datum, what, out[0]);
  if (out.size() > 1) {
    out[1].shape = Shape{};
    out[1].bytes.clear();
    out[1].values.assign(1, static_cast<float>(datum.label()));
  }
}

}  // namespace crema::data
