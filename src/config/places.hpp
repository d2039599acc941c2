// Where the fields of a parsed message stand in the text they came from.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace crema::config {

// Immutable and cheap to copy. Paths name fields as a user would write them today:
// "layer[3].convolution_param.kernel_size[1]", "base_lr"; an index may be left out for element 0.
// What the legacy upgrade moved is found under its new path and points to the old text. The place
// is that of the field's name; of the element itself within a list in brackets.
class Places {
 public:
  class Index;  // path -> line and column, and the text they point into

  Places() = default;
  explicit Places(std::shared_ptr<const Index> index, std::string prefix = {})
      : index_(std::move(index)), prefix_(std::move(prefix)) {}

  // The place of the field, or of the nearest enclosing message that is in the text, or the file.
  Location at(std::string_view path = {}) const;
  // The same, seen from inside the message at `path`.
  Places inside(std::string_view path) const;
  // The same, but that the named fields are found in the message at `path`.
  Places with_fields_of(std::string_view path, const std::vector<std::string>& fields) const;

 private:
  std::string moved(std::string_view path) const;  // to where the field is found

  std::shared_ptr<const Index> index_;
  std::string prefix_;
  std::string other_;  // the message in which `elsewhere_` are found
  std::vector<std::string> elsewhere_;
};

}  // namespace crema::config
