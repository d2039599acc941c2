#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

namespace crema {

// The logical shape of a tensor: 0 to 32 axes, each >= 0. A tensor with 0 axes is a scalar.
class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<int64_t> dims) : dims_(dims) {}
  explicit Shape(std::vector<int64_t> dims) : dims_(std::move(dims)) {}

  int rank() const { return static_cast<int>(dims_.size()); }
  int64_t operator[](int axis) const { return dims_[static_cast<size_t>(axis)]; }
  int64_t& operator[](int axis) { return dims_[static_cast<size_t>(axis)]; }
  const std::vector<int64_t>& dims() const { return dims_; }
  void append(int64_t dim) { dims_.push_back(dim); }

  // Number of elements in axes [begin, end); 1 for an empty range.
  int64_t count(int begin, int end) const;
  int64_t count(int begin = 0) const { return count(begin, rank()); }

  // Axes [begin, end) as a shape of their own.
  Shape slice(int begin, int end) const;

  // "2x3x4"; "scalar" for 0 axes.
  std::string text() const;

  bool operator==(const Shape&) const = default;

 private:
  std::vector<int64_t> dims_;
};

}  // namespace crema
