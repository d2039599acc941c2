// Class labels, which come as numbers of the net's type from a data source: checked before use.
#pragma once

#include <fmt/format.h>

#include <optional>

#include "base/error.hpp"
#include "engines/reference/kernel.hpp"
#include "ops/loss.hpp"

namespace crema::reference {

inline constexpr int64_t kIgnored = -1;
// What Caffe's logistic losses on probabilities keep them above.
inline constexpr double kLeastProbability = 1e-20;

// The class that a checked label names (truncated toward zero), or kIgnored.
template <class T>
int64_t class_of(T label, const std::optional<int>& ignore) {
  const T whole = std::trunc(label);
  return ignore && whole == static_cast<T>(*ignore) ? kIgnored : static_cast<int64_t>(whole);
}

// Number of labels that are not ignored. The first one outside 0 .. classes - 1 is an Error{kData}.
// Serial: an exception must not leave a parallel region.
template <class T>
int64_t check_labels(const Split& split, const T* labels, const std::optional<int>& ignore,
                     const std::string& layer) {
  int64_t valid = 0;
  for (int64_t i = 0; i < split.outer * split.inner; ++i) {
    const T whole = std::trunc(labels[i]);
    if (ignore && whole == static_cast<T>(*ignore)) continue;
    ++valid;
    if (whole >= 0 && whole < static_cast<T>(split.middle)) continue;  // false for NaN
    std::string where = fmt::format("item {}", i / split.inner);
    if (split.inner > 1) where += fmt::format(", position {}", i % split.inner);
    throw Error(ErrorCode::kData, fmt::format("layer '{}': label {} ({}) is not in 0..{}", layer,
                                              labels[i], where, split.middle - 1))
        .advise(fmt::format(
            "the scores have {} classes: num_output of the layer that makes them must be greater "
            "than the largest label; labels count from 0; ignore_label names one to leave out",
            split.middle));
  }
  return valid;
}

// What a loss over `full` elements, `valid` of them not ignored, is divided by; never below 1.
inline double normalizer(ops::Normalization normalization, int64_t full, int64_t valid,
                         int64_t batch) {
  int64_t count = 1;
  switch (normalization) {
    case ops::Normalization::kFull:
      count = full;
      break;
    case ops::Normalization::kValid:
      count = valid;
      break;
    case ops::Normalization::kBatchSize:
      count = batch;
      break;
    case ops::Normalization::kNone:
      break;
  }
  return static_cast<double>(std::max<int64_t>(1, count));
}

}  // namespace crema::reference
