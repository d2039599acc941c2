#include "tensor/shape.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace crema {

int64_t Shape::count(int begin, int end) const {
  int64_t n = 1;
  for (int i = begin; i < end; ++i) n *= (*this)[i];
  return n;
}

Shape Shape::slice(int begin, int end) const {
  return Shape(std::vector<int64_t>(dims_.begin() + begin, dims_.begin() + end));
}

std::string Shape::text() const {
  return dims_.empty() ? "scalar" : fmt::format("{}", fmt::join(dims_, "x"));
}

}  // namespace crema
