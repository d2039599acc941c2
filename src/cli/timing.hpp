// What `crema time` measured, and how it is written down.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/machine.hpp"

namespace crema::cli {

// Milliseconds of one thing over the iterations.
struct Spread {
  double median = 0, mean = 0, min = 0;
};
// All zeros without samples.
Spread spread_of(std::vector<double> milliseconds);

// One line of the report. Layers have no engine; totals have no layer.
struct TimingRow {
  std::string layer, kind;  // kind: the layer's type, the op, "SGD" of an update
  std::string pass;         // forward, backward; of totals also forward-backward, update,
                            // iteration
  std::string engine, implementation;
  Spread ms;
  double flops = 0, bytes = 0;        // of one iteration; bytes read and written
  std::optional<double> old_ms = {};  // with --compare: the median in the older report

  double gflops() const { return ms.median > 0 ? flops * 1e-6 / ms.median : 0; }
  double gbytes() const { return ms.median > 0 ? bytes * 1e-6 / ms.median : 0; }
  // Least time this machine would need, as a share of the time taken: arithmetic at the measured
  // rate of multiply-adds, or memory at the rate beyond the caches, whichever takes longer. Above 1
  // where the data were in a cache.
  double limit_share(const MachineLimits& limits) const;
};

struct TimingReport {
  std::string model, net, phase;
  int64_t batch = 0;  // 0: the net has no inputs
  int threads = 0, iterations = 0;
  bool synthetic = false;
  std::string processor;
  std::string precision;  // "f32" or "bf16"
  MachineLimits limits;
  std::vector<TimingRow> layers, ops, totals;
  // Bytes: as planned, and the most that was resident. Updates need `optimizer` on top of the rest.
  size_t weights = 0, gradients = 0, optimizer = 0, arena = 0, scratch = 0, inputs = 0;
  size_t peak_resident = 0;
  std::vector<std::string> only_in_old;  // rows of the older report that have no counterpart
};

std::string timing_text(const TimingReport& report);
std::string timing_csv(const TimingReport& report);
nlohmann::json timing_json(const TimingReport& report);

// Fills in old_ms from the JSON report in `path`. Error{kUsage} if there is none.
void compare_timing(TimingReport& report, const std::string& path);

}  // namespace crema::cli
