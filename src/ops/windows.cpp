#include "ops/windows.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace crema::ops {

std::string Windows::text() const {
  std::string out = fmt::format("{} stride {} pad {}", fmt::join(kernel, "x"),
                                fmt::join(stride, "x"), fmt::join(pad, "x"));
  if (std::any_of(dilation.begin(), dilation.end(), [](int64_t d) { return d != 1; }))
    out += fmt::format(" dilation {}", fmt::join(dilation, "x"));
  return out;
}

}  // namespace crema::ops
