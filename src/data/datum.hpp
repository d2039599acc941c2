// Datum records, the values of a Caffe database.
#pragma once

#include <string>
#include <string_view>

#include "data/image_decoder.hpp"
#include "data/source.hpp"

namespace crema::data {

// Parses one serialised Datum into field 0, (C, H, W) as bytes or floats, and, if `out` has a
// second field, the label as a scalar. An encoded image is decoded, in this colour; others are
// taken as they are. Error{kData} beginning with `what` if the record is no Datum, is inconsistent
// or cannot be decoded.
void parse_datum(std::string_view record, Colour colour, const std::string& what, Sample& out);

}  // namespace crema::data
