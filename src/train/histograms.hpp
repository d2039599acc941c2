// Distributions of every parameter's weights, gradient and last update, at an interval.
#pragma once

#include <map>
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
  // Around the step of a parameter. The gradient, in the parameter's layout, is divided by
  // `passes`, over which it is summed; null: there is none.
  void before(const exec::ParamStore& params, size_t param);
  void after(const exec::ParamStore& params, size_t param, const void* gradient, int passes);
  // After update t: the events of all parameters that learn, in their order.
  void emit(int64_t t, const graph::Graph& graph, report::Reporter& reporter);

 private:
  int64_t interval_;
  std::map<size_t, std::vector<float>> values_;  // by parameter: before the step, row-major
  std::map<size_t, report::Histograms> events_;
};

}  // namespace crema::train
