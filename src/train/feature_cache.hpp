// What the frozen trunk of a training net computes, kept per sample (plan/trunk.hpp says what that
// is). Bits are those of a run without: rows are kept as they were computed, and it is checked that
// a row does not depend on its place in the batch.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "plan/trunk.hpp"
#include "train/net.hpp"
#include "train/row_store.hpp"

namespace crema::train {

class FeatureCache {
 public:
  // For the net's present plan. Error{kConfig}, located: random augmentation, several sources, or
  // more features than the limit allows. Error{kOutput}: the file.
  FeatureCache(Net& net, const config::SolverConfig& solver);

  // Nothing is frozen above the data: there is nothing to keep, and forward() must not be called.
  bool empty() const { return trunk_.trunk_steps == 0; }
  // Error{kConfig} that says which layer is in the way.
  [[noreturn]] void refuse_empty() const;

  // net.feed(batch) and the forward pass, or what comes to the same.
  double forward(int64_t batch, const ops::StepInfo& step);

  // "pool5 and label, 9217 numbers for each of 60000 samples, 2212 MB in memory"
  std::string text() const;

 private:
  void check_source(const config::SolverConfig& solver) const;
  void check_size(const config::SolverConfig& solver) const;
  double recall(const std::vector<int64_t>& samples, const ops::StepInfo& step);
  double compute(int64_t batch, const std::vector<int64_t>& samples, const ops::StepInfo& step);
  void check_rows(const ops::StepInfo& step);
  std::span<float> row(size_t feature, int64_t item);

  Net& net_;
  data::Loader* loader_;
  Location place_;
  const plan::Plan* plan_ = nullptr;  // that the trunk is of
  plan::Trunk trunk_;
  std::unique_ptr<RowStore> store_;
  std::vector<std::vector<float>> batch_;  // per feature: the batch, row-major
  std::vector<float> record_;              // all features of one sample
  bool checked_ = false;
};

}  // namespace crema::train
