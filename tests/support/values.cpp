#include "support/values.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace crema::test {

Values random_values(const Shape& shape, uint32_t seed, double low, double high) {
  std::mt19937 bits(seed);
  Values out{shape};
  for (double& x : out.v)
    x = static_cast<float>(low + (high - low) * static_cast<double>(bits() >> 8) * 0x1p-24);
  return out;
}

Values random_labels(const Shape& shape, uint32_t seed, uint32_t classes) {
  std::mt19937 bits(seed);
  Values out{shape};
  for (double& x : out.v) x = bits() % classes;
  return out;
}

::testing::AssertionResult near(const Values& a, const Values& b, double tolerance) {
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
