// The training loop: batch -> forward, backward -> update -> events; tests, snapshots, resume.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/stop.hpp"
#include "config/config.hpp"
#include "optim/optimizer.hpp"
#include "snapshot/state.hpp"
#include "train/feature_cache.hpp"
#include "train/groups.hpp"
#include "train/histograms.hpp"
#include "train/net.hpp"
#include "train/rules.hpp"
#include "train/verifier.hpp"
#include "train/weights.hpp"

namespace crema::train {

struct TrainOptions {
  std::vector<std::string> weights;                 // files to start from, in order
  std::string snapshot;                             // state to resume from; excludes weights
  InputOptions inputs;                              // of the training net and the test nets
  std::optional<ops::Precision> precision;          // instead of the solver's
  std::optional<plan::RecomputeOptions> recompute;  // instead of the solver's
  SignalActions* signals = nullptr;  // polled after every update and before every test batch
  // After each update: completed updates, this iteration's loss and rate.
  std::function<void(int64_t iteration, double loss, double rate)> after_update;
  // See optim::Optimizer::adjust.
  std::function<void(size_t param, optim::StepInfo& info)> adjust;
};

// The scores of one test pass.
struct TestResult {
  int64_t iteration = 0;
  int net = 0;
  std::optional<double> loss;
  std::vector<report::Output> outputs;
};

struct TrainResult {
  int64_t iteration = 0;
  bool early = false;    // stopped by a signal
  bool requeue = false;  // ... by SIGTERM, after a snapshot
  double loss = 0;       // smoothed
  double seconds = 0;
  std::vector<TestResult> tests;  // every pass of the run
  std::vector<report::Replanned> replans;
  std::string weights, state;  // the last snapshot written; "" if none
};

class Trainer {
 public:
  // Builds everything and loads what options name. Error / ErrorList: kConfig, kData, kWeights,
  // kOutput (the snapshot prefix cannot be written).
  Trainer(config::SolverConfig solver, TrainOptions options, const Context& context);

  // Trains to max_iter. Error{kNonFinite} if the loss stops being a number.
  TrainResult run();

  Net& net() { return *net_; }
  optim::Optimizer& optimizer() { return *optimizer_; }
  std::string solver_type() const { return param_.type().empty() ? "SGD" : param_.type(); }
  int64_t iteration() const { return iteration_; }
  uint64_t seed() const { return seed_; }
  // Ends run() after the present iteration, as SIGINT does.
  void stop();
  // What was loaded before the first iteration; nothing without weights files.
  const std::optional<report::WeightsLoaded>& weights_loaded() const { return weights_loaded_; }
  // Writes <prefix>_iter_N.caffemodel, then .solverstate, with .h5 added under snapshot_format:
  // HDF5. Error{kOutput}.
  void snapshot();

 private:
  // The optimizer of all parameters, the solver's own if they differ.
  const std::string& history_type() const;
  void note_ignored_fields();
  void choose_seed(const snapshot::State* state);
  void read_weights_files();
  std::map<std::string, graph::ParamChoice> apply_rules(const graph::Graph& net,
                                                        double batches_per_epoch);
  std::unique_ptr<Net> make_net(const config::NetConfig& config, const NetOptions& options);
  void build_nets();
  void build_optimizer();
  void load_weights_files();
  void check_metrics();
  void restore(const snapshot::State& state);
  void restore_history(const snapshot::State& state);
  void restore_slots(const snapshot::State& state);
  void restore_average(const snapshot::State& state);
  void save_slots(snapshot::State& state);
  uint32_t write_weights(const std::string& path, bool with_steps);  // returns the CRC-32
  snapshot::Blob blob_of(size_t param, const float* physical) const;
  void set_from(const snapshot::Blob& blob, const std::string& what, size_t param,
                float* physical) const;
  void restore_carried(const snapshot::State& state);
  std::vector<snapshot::Carried> carried() const;
  void probe_prefix() const;
  void check_names() const;
  bool hdf5() const { return param_.snapshot_format() == caffe::SolverParameter::HDF5; }

  void bind_gradients();
  void check_frozen_statistics() const;
  void check_later_plans() const;
  void follow_freeze_times();
  void cache_features(bool at_start);
  bool must_replan(const std::map<std::string, graph::ParamChoice>& choices) const;

  void iterate();
  void learn_on_the_way();
  void learn_afterwards();
  double forward(const ops::StepInfo& info);
  void take_loss(double loss);
  bool displays() const { return param_.display() > 0 && iteration_ % param_.display() == 0; }
  void display(double seconds);
  void start_watching();
  // The next update: what looks at it, the steps of parameters that hand out their gradients, then
  // all others.
  void begin_update();
  void step(const exec::ReadyGradient& ready);
  void finish_update();
  bool handed_out(size_t param) const;
  void take_histograms(bool before);
  void follow(int test_net, double loss, const std::vector<report::Output>& outputs);
  void smooth(double loss);
  double smoothed() const;
  void check_finite(double loss) const;
  void handle(Action action);
  void test_all();
  void exchange_average();
  bool test(int index);
  void finish();
  std::pair<std::string, std::string> snapshot_paths() const;  // weights, state
  ops::StepInfo step_info(int64_t pass) const { return {seed_, iteration_, pass}; }

  config::SolverConfig solver_;
  const caffe::SolverParameter& param_;
  TrainOptions options_;
  const Context& context_;
  report::Reporter& reporter_;
  std::unique_ptr<Net> net_;
  std::vector<std::unique_ptr<Net>> test_nets_;
  std::unique_ptr<optim::Optimizer> optimizer_;
  std::vector<snapshot::WeightsFile> weights_files_;  // until they are loaded
  Loaded loaded_;
  optim::RunLength run_length_;
  std::vector<optim::ParamSettings> settings_;  // in the order of the net's parameters
  std::unique_ptr<FeatureCache> features_;      // null: nothing is kept
  std::vector<int64_t> boundaries_;             // iterations at which the frozen set changes
  WeightsRules weights_rules_;
  std::optional<report::WeightsLoaded> weights_loaded_;
  uint64_t seed_ = 0;
  int64_t iteration_ = 0;    // completed updates
  int64_t batches_ = 0;      // training batches read since the beginning of the run
  int64_t first_batch_ = 0;  // data position at batches_ = 0 (negative after BVLC's restart)
  std::vector<float> loss_window_;
  std::vector<ParamGroup> groups_;  // for the events
  // While the test nets run, what they carried before: a run resumed from here repeats the tests.
  std::vector<exec::CarriedStates> before_tests_;
  std::unique_ptr<Verifier> verifier_;  // during the run, with a verify_interval
  std::unique_ptr<HistogramTaker> histograms_;
  std::vector<float> gathered_;                       // a gradient in pieces, for a histogram
  bool verifies_ = false, takes_histograms_ = false;  // in this update
  Stopwatch watch_, since_display_;
  int64_t last_display_ = 0;
  double iteration_loss_ = 0;
  bool stop_ = false;
  bool averaged_ = false;  // the parameters hold their moving average, and the average the values
  TrainResult result_;
};

// The newest whole snapshot of a solver's prefix, for `--resume`; "" if there is none.
std::string newest_snapshot(const std::string& prefix);

}  // namespace crema::train
