// The outline of a text-format file: its fields and values and where they stand. Room-internal.
//
// It is read tolerantly, so that one mistake does not hide the next. Whether a text is right is
// not decided here: protobuf's own parser is the judge, the outline only says where and why.
#pragma once

#include <google/protobuf/descriptor.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace crema::config {

struct OutlineField;

struct OutlineValue {
  size_t begin = 0, end = 0;  // bytes of the text
  bool block = false;         // { ... }
  bool quoted = false;        // starts with a string literal
  std::vector<OutlineField> fields;
};

struct OutlineField {
  std::string name;
  size_t at = 0;
  bool list = false;  // [ ... ]
  std::vector<OutlineValue> values;
};

// protobuf's wording of a message, in lower case and without the full stop.
std::string in_our_style(std::string message);

class Outline {
 public:
  // `text` is what is read; places point to the same line and column of `source`. The message type
  // is needed to see where a block that was not closed should have ended.
  Outline(std::shared_ptr<const SourceText> source, std::string text,
          const google::protobuf::Descriptor* type);

  Location at(size_t offset) const;
  Location file() const { return {source_, 0, 0}; }
  // protobuf counts lines and columns from 0 and lets a tab fill up to the next multiple of 8.
  size_t offset_of(int line, int column) const;
  const std::string& text() const { return text_; }
  std::string_view text(const OutlineValue& value) const {
    return std::string_view(text_).substr(value.begin, value.end - value.begin);
  }

  std::vector<OutlineField> fields;
  std::vector<Error> mistakes;  // of syntax

 private:
  std::shared_ptr<const SourceText> source_;
  std::string text_;
  std::vector<size_t> line_starts_;
};

}  // namespace crema::config
