#include "report/histogram.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

namespace crema::report {

namespace {

// Positive floats sort as their bits do, so a bucket is a prefix of the bits.
constexpr int kDroppedBits = 20;
constexpr uint32_t kBuckets = 0x7f800000u >> kDroppedBits;  // below infinity

double lower_end(uint32_t bucket) {
  return std::bit_cast<float>(bucket << kDroppedBits);
}
double upper_end(uint32_t bucket) {
  return bucket + 1 < kBuckets ? lower_end(bucket + 1) : 0x1p128;
}

void add_bucket(Histogram& out, double low, double high, int64_t count) {
  if (count == 0) return;
  if (!out.limits.empty() && out.limits.back() < low) {
    out.limits.push_back(low);
    out.counts.push_back(0);
  }
  out.limits.push_back(high);
  out.counts.push_back(count);
}

}  // namespace

Histogram histogram_of(std::span<const float> values) {
  std::array<int64_t, kBuckets> positive{}, negative{};
  Histogram out;
  for (const float x : values) {
    if (!std::isfinite(x)) {
      ++out.non_finite;
      continue;
    }
    out.min = out.count == 0 ? x : std::min<double>(out.min, x);
    out.max = out.count == 0 ? x : std::max<double>(out.max, x);
    ++out.count;
    out.sum += x;
    out.sum_squares += static_cast<double>(x) * x;
    const uint32_t bucket = std::bit_cast<uint32_t>(std::abs(x)) >> kDroppedBits;
    ++(x < 0 ? negative : positive)[bucket];
  }
  for (uint32_t b = kBuckets; b-- > 0;) add_bucket(out, -upper_end(b), -lower_end(b), negative[b]);
  for (uint32_t b = 0; b < kBuckets; ++b) add_bucket(out, lower_end(b), upper_end(b), positive[b]);
  return out;
}

}  // namespace crema::report
