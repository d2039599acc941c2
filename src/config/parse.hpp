// Text -> message and its places, or all mistakes of the text. Room-internal.
#pragma once

#include <google/protobuf/message.h>

#include <memory>

#include "config/outline.hpp"
#include "config/places_index.hpp"

namespace crema::config {

struct Parsed {
  Outline outline;
  std::vector<Error> mistakes;  // in the order of their places; empty if protobuf accepts the text
};

// Parses `text` into the (cleared) message. Accepts exactly what protobuf's text format does.
// Places point to the same line and column of `source`, whose text may differ.
Parsed parse_text(std::shared_ptr<const SourceText> source, std::string text,
                  google::protobuf::Message& message);

// Adds the places of the fields of a message of that type, below `prefix`.
void index_fields(const Outline& outline, const std::vector<OutlineField>& fields,
                  const google::protobuf::Descriptor* type, const std::string& prefix,
                  Places::Index& index);

}  // namespace crema::config
