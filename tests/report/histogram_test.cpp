#include "report/histogram.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace crema::report {
namespace {

int64_t count_between(const Histogram& h, double low, double high) {
  int64_t n = 0;
  for (size_t i = 0; i < h.counts.size(); ++i)
    if (h.limits[i] > low && h.limits[i] <= high) n += h.counts[i];
  return n;
}

TEST(Histogram, counts_every_finite_number_in_the_bucket_that_holds_it) {
  const std::vector<float> values{-2.0f, -1.5f, -0.0f, 0.0f, 1.0f, 1.06f, 1.13f, 300.0f};
  const Histogram h = histogram_of(values);
  EXPECT_EQ(h.min, -2);
  EXPECT_EQ(h.max, 300);
  EXPECT_EQ(h.count, 8);
  EXPECT_EQ(h.non_finite, 0);
  EXPECT_NEAR(h.sum, 299.69, 1e-4);
  EXPECT_NEAR(h.sum_squares, 4 + 2.25 + 1 + 1.1236 + 1.2769 + 90000, 1e-3);
  EXPECT_EQ(count_between(h, -1e9, -1e-9), 2);
  EXPECT_EQ(count_between(h, -1e-9, 1e-30), 2) << "both zeros";
  EXPECT_EQ(count_between(h, 1.0, 1.125), 2) << "1 and 1.06 share [1, 1.125)";
  EXPECT_EQ(count_between(h, 1.125, 1.25), 1);
  int64_t all = 0;
  for (size_t i = 0; i < h.counts.size(); ++i) {
    all += h.counts[i];
    EXPECT_TRUE(i == 0 || h.limits[i] > h.limits[i - 1]);
  }
  EXPECT_EQ(all, h.count);
}

TEST(Histogram, buckets_are_narrow_everywhere) {
  for (double x = 1e-37; x < 1e38; x *= 1.7) {
    for (const double sign : {1.0, -1.0}) {
      const std::vector<float> one{static_cast<float>(sign * x)};
      const Histogram h = histogram_of(one);
      ASSERT_EQ(h.counts.size(), 1u);
      const double limit = std::abs(h.limits[0]);
      EXPECT_LE(std::abs(limit - x), 0.126 * x) << x;
    }
  }
}

TEST(Histogram, keeps_what_is_not_finite_apart) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const std::vector<float> values{kNan, kInf, -kInf, std::numeric_limits<float>::max()};
  const Histogram h = histogram_of(values);
  EXPECT_EQ(h.non_finite, 3);
  EXPECT_EQ(h.count, 1);
  EXPECT_TRUE(std::isfinite(h.limits.back()));
  EXPECT_TRUE(std::isfinite(h.sum_squares));
}

TEST(Histogram, of_nothing_is_empty) {
  const Histogram h = histogram_of({});
  EXPECT_EQ(h.count, 0);
  EXPECT_TRUE(h.limits.empty());
}

}  // namespace
}  // namespace crema::report
