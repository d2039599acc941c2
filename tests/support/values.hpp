// Plain tensors for tests, whatever type they are computed in.
#pragma once

#include <gtest/gtest.h>

#include <vector>

#include "base/error.hpp"
#include "tensor/shape.hpp"

namespace crema::test {

// A plain tensor, row-major, whatever type it is computed in.
struct Values {
  Shape shape;
  std::vector<double> v;

  Values() = default;
  Values(Shape s, std::vector<double> values) : shape(std::move(s)), v(std::move(values)) {
    CREMA_CHECK(static_cast<int64_t>(v.size()) == shape.count(), "as many values as elements");
  }
  explicit Values(Shape s, double value = 0)
      : shape(std::move(s)), v(static_cast<size_t>(shape.count()), value) {}
};

// Uniform numbers in [low, high) that a float holds exactly.
Values random_values(const Shape& shape, uint32_t seed, double low = -1, double high = 1);

// Whole numbers 0 .. classes - 1.
Values random_labels(const Shape& shape, uint32_t seed, uint32_t classes);

// |a - b| <= tolerance * (largest |b|) for every element; equal infinities and two NaNs are equal.
::testing::AssertionResult near(const Values& a, const Values& b, double tolerance);

}  // namespace crema::test
