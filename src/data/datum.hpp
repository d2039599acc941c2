// Datum records, the values of a Caffe database.
#pragma once

#include <string>
#include <string_view>

#include "data/source.hpp"

namespace crema::data {

// Parses one serialised Datum into field 0, (C, H, W) as bytes or floats, and, if `out` has a
// second field, the label as a scalar. Error{kData} beginning with `what` if the record is no
// Datum, is inconsistent or holds an encoded image.
void parse_datum(std::string_view record, const std::string& what, Sample& out);

}  // namespace crema::data
