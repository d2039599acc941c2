// What a run has to say. The training loop emits events and prints nothing; sinks turn them into
// text, files or pictures. Events hold plain values: this room knows no net and no solver.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "report/histogram.hpp"

namespace crema::report {

// One output blob of a net: all its numbers.
struct Output {
  std::string name;
  std::vector<double> values;
  double loss_weight = 0;  // 0: not a loss
};

// Parameters that learn alike at every time of the run.
struct RateGroup {
  std::string name;                     // "conv1/weight", "conv1/weight +3"
  std::vector<std::string> parameters;  // "layer/blob"
};

struct RunStarted {
  std::string net, solver_type, lr_policy;
  int64_t first_iteration = 0, max_iter = 0;
  int64_t batch_size = 0;  // samples per iteration, iter_size included; 0 if unknown
  size_t parameters = 0;   // learnable numbers
  int threads = 0;
  double iterations_per_epoch = 0;  // 0 if unknown
  uint64_t seed = 0;
  std::vector<RateGroup> groups;
};
// After every iteration.
struct Iterated {
  int64_t iteration = 0;  // completed updates
  double loss = 0;        // smoothed over average_loss
  double rate = 0;        // the policy's
  double iteration_loss = 0;
  std::vector<double> group_rates;      // in the order of RunStarted::groups
  std::optional<double> gradient_norm;  // where clip_gradients needs it
  double clip_scale = 1;
};
// Every `display` iterations, before the update of the same number.
struct Displayed {
  int64_t iteration = 0;
  double iterations_per_second = 0, seconds = 0;  // since the last display
  int64_t display = 0;
  double loss = 0;
  std::vector<Output> outputs;
};
// What an update did to every parameter, against what its settings say.
struct Verified {
  struct Param {
    std::string name;
    std::string verdict;  // "ok", "unmeasured", or what is wrong: see optim/update_check.hpp
    double rate = 0;      // configured
    std::optional<double> realised;
    double weight = 0, gradient = 0, update = 0;  // L2 norms
  };
  struct Group {  // one of RunStarted::groups, by its members that could be measured
    std::string name;
    double rate = 0, realised = 0;
  };
  int64_t iteration = 0;  // completed updates, the verified one included
  std::vector<Param> params;
  std::vector<Group> groups;
};
// A parameter or a group does something else than its settings say.
struct Alarm {
  int64_t iteration = 0;
  std::string kind;  // a verdict, or "ratio": two groups do not learn at their configured ratio
  std::vector<std::string> params;
  std::string text;
  bool repeated = false;  // the same was said earlier in this run
};
// Distributions of one parameter's numbers.
struct Histograms {
  int64_t iteration = 0;
  std::string param;
  Histogram weights, gradient, update;
};
// Weights files were loaded into the training net; before the run starts.
struct WeightsLoaded {
  struct File {
    std::string path;
    std::vector<std::string> loaded, unused;  // layers of the net; layers that only the file has
  };
  struct Blob {
    std::string name, shape;  // of the net: "conv1/weight", "20x1x5x5"
    // "loaded", "reshaped", "sliced", "padded"; "skipped" on a mismatch, "filler" if no file has it
    std::string how;
    std::string file, from, stored_shape;  // where it came from; "" for a filler
    double norm = 0;                       // L2, of what the net holds now
  };
  std::vector<File> files;
  std::vector<std::string> at_filler;  // layers that no file filled
  std::vector<Blob> blobs;             // every blob of the net, in its order
};
// The set of frozen parameters changed before this iteration, and graph, plan and memory with it.
struct Replanned {
  int64_t iteration = 0;
  int learning = 0, frozen = 0;                    // parameters
  size_t arena_bytes = 0, arena_bytes_before = 0;  // activations and their gradients
  size_t state_bytes = 0;                          // of the optimizer
  double seconds = 0;
};
struct RateSet {  // at display iterations, after Displayed
  int64_t iteration = 0;
  double rate = 0;
};
struct RateStepped {  // a multistep policy passed a stepvalue, or a plateau policy gave up waiting
  int64_t iteration = 0;
  int step = 0;
  std::string policy = "MultiStep";  // or "Plateau"
};
struct Clipped {
  int64_t iteration = 0;
  double norm = 0, limit = 0, scale = 1;
};
struct TestStarted {
  int64_t iteration = 0;
  int net = 0;
};
struct Tested {
  int64_t iteration = 0;
  int net = 0;
  std::optional<double> loss;   // with test_compute_loss
  std::vector<Output> outputs;  // means over the batches
  double seconds = 0;
};
struct Snapshotted {
  int64_t iteration = 0;
  std::string weights, state;
  bool hdf5 = false;
};
struct FinalLoss {  // the extra forward pass after the last update
  int64_t iteration = 0;
  double loss = 0;
};
struct RunEnded {
  int64_t iteration = 0;
  bool early = false;
  double seconds = 0;
};
struct Failed {  // the run ends with this error
  int exit_code = 0;
  std::string text;
};
// debug_info: the mean absolute value of a blob, after its layer ran.
struct DebugValue {
  enum Kind { kTopData, kParamData, kBottomDiff, kParamDiff } kind = kTopData;
  std::string layer, blob;
  double value = 0;
};
// ... and of all learnable numbers, after a whole backward pass.
struct DebugNorms {
  double data_l1 = 0, diff_l1 = 0, data_l2 = 0, diff_l2 = 0;
};
struct Message {
  enum class Severity { kInfo, kWarning } severity = Severity::kInfo;
  std::string text;  // one line
};

using Event =
    std::variant<RunStarted, WeightsLoaded, Replanned, Iterated, Displayed, Verified, Alarm,
                 Histograms, RateSet, RateStepped, Clipped, TestStarted, Tested, Snapshotted,
                 FinalLoss, RunEnded, Failed, DebugValue, DebugNorms, Message>;

class Sink {
 public:
  virtual ~Sink() = default;
  virtual void on(const Event& event) = 0;
};

// Hands every event to several sinks, in order.
class Reporter {
 public:
  void add(std::unique_ptr<Sink> sink) { sinks_.push_back(std::move(sink)); }
  void emit(const Event& event) {
    for (const auto& sink : sinks_) sink->on(event);
  }
  void info(std::string text) { emit(Message{Message::Severity::kInfo, std::move(text)}); }
  void warn(std::string text) { emit(Message{Message::Severity::kWarning, std::move(text)}); }

 private:
  std::vector<std::unique_ptr<Sink>> sinks_;
};

}  // namespace crema::report
