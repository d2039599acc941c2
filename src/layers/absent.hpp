// Layer types of Caffe and its forks that crema does not have, and what to write instead.
#pragma once

#include <string_view>

namespace crema::layers {

struct AbsentType {
  const char* reason;  // continues "layer 'x': type T ": "runs code in Python, ..."
  const char* advice;
};

// Null for a type that nobody has heard of.
const AbsentType* absent_type(std::string_view type);

}  // namespace crema::layers
