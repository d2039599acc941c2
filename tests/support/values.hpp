// Plain tensors for tests, whatever type they are computed in.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
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
inline Values random_values(const Shape& shape, uint32_t seed, double low = -1, double high = 1) {
  std::mt19937 bits(seed);
  Values out{shape};
  for (double& x : out.v)
    x = static_cast<float>(low + (high - low) * static_cast<double>(bits() >> 8) * 0x1p-24);
  return out;
}

// Whole numbers 0 .. classes - 1.
inline Values random_labels(const Shape& shape, uint32_t seed, uint32_t classes) {
  std::mt19937 bits(seed);
  Values out{shape};
  for (double& x : out.v) x = bits() % classes;
  return out;
}

// |a - b| <= tolerance * (largest |b|) for every element; equal infinities and two NaNs are equal.
inline ::testing::AssertionResult near(const Values& a, const Values& b, double tolerance) {
  if (!(a.shape == b.shape))
    return ::testing::AssertionFailure() << "shapes " << a.shape.text() << ", " << b.shape.text();
  double scale = 0;
  for (const double x : b.v)
    if (std::isfinite(x)) scale = std::max(scale, std::abs(x));
  for (size_t i = 0; i < a.v.size(); ++i) {
    const double x = a.v[i], y = b.v[i];
    if (x == y || (std::isnan(x) && std::isnan(y))) continue;
    if (!(std::abs(x - y) <= tolerance * scale))
      return ::testing::AssertionFailure()
             << fmt::format("element {} of {}: {} against {}, allowed difference {}", i,
                            a.shape.text(), x, y, tolerance * scale);
  }
  return ::testing::AssertionSuccess();
}

}  // namespace crema::test
