// debug_info: Caffe's lines of mean absolute values, one pass at a time.
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "exec/session.hpp"
#include "report/event.hpp"

namespace crema::train {

// Watches the passes of a session while it lives and reports what they computed, layer by layer in
// the order in which Caffe prints it (facts: net.md section 9). Slow: every value is read as it is
// made, because its memory may be used again a step later.
class DebugInfo {
 public:
  DebugInfo(exec::Session& session, report::Reporter& reporter);
  ~DebugInfo();
  DebugInfo(const DebugInfo&) = delete;
  DebugInfo& operator=(const DebugInfo&) = delete;

  // After each pass: reports it. before_backward() keeps the gradients that a pass is added to.
  void report_forward();
  void before_backward();
  void report_backward();

 private:
  using Key = std::pair<int, int>;  // segment, value
  void watch(const plan::Plan& plan, int step);
  double mean_of(const graph::Graph& graph, int value) const;
  std::vector<float> gradient(const graph::Graph& graph, int segment, int value) const;
  void add(std::vector<float>& sum, const std::vector<float>& more) const;
  void report_layer(const graph::Graph& graph, int layer);
  void report_norms() const;

  exec::Session& session_;
  report::Reporter& reporter_;
  std::map<int, double> means_;                  // of forward values
  std::map<Key, std::vector<float>> gradients_;  // of this pass, as nodes made them
  std::map<int, std::vector<float>> sums_;       // gradient of a value by the layers so far
  std::vector<std::vector<float>> earlier_;      // per parameter: what was added up before
};

}  // namespace crema::train
