// Distributions of every parameter's weights, gradient and last update, at an interval.
#pragma once

#include <vector>

#include "exec/params.hpp"
#include "graph/graph.hpp"
#include "report/event.hpp"

namespace crema::train {

class HistogramTaker {
 public:
  explicit HistogramTaker(int64_t interval) : interval_(interval) {}
  // At the first update and every interval-th one.
  bool due(int64_t t) const { return interval_ > 0 && t % interval_ == 0; }
  // Around update t. Gradients are divided by `passes`, over which they are summed.
  void before(const exec::ParamStore& params);
  void after(int64_t t, const exec::ParamStore& params, const graph::Graph& graph, int passes,
             report::Reporter& reporter);

 private:
  int64_t interval_;
  std::vector<std::vector<float>> values_;  // before the update, row-major
};

}  // namespace crema::train
