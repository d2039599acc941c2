// A net ready to run: graph, plan, weights and the loaders that feed it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "data/hdf5_output.hpp"
#include "data/loader.hpp"
#include "exec/session.hpp"
#include "graph/graph.hpp"
#include "optim/schedule.hpp"
#include "report/event.hpp"
#include "train/inputs.hpp"

namespace crema::train {

// What the process offers to every net: made in main(), passed down.
struct Context {
  plan::Engines engines;
  report::Reporter* reporter = nullptr;
  std::set<std::string> plan_skip;  // plan passes to leave out
};

class Net;
struct NetOptions {
  bool training = false;            // plan the backward pass
  bool separate_gradients = false;  // gradients accumulate over several passes
  bool hand_out_gradients = false;  // each is there for its parameter's update only
  bool in_pieces = false;           // ... and may come in pieces
  bool keep_blobs = false;
  ops::Precision precision = ops::Precision::kF32;
  plan::RecomputeOptions recompute;
  bool every_value = false;   // nothing is fused, for debug_info
  bool caffe_compat = false;  // gradients as BVLC's in chains of layers in place
  uint64_t seed = 0;
  int prefetch_threads = 1;
  Net* trained = nullptr;  // the net whose weights this one shares, layer by layer (a test net)
  // How long the run is, given the number of batches in an epoch (0: unknown); schedules in layers
  // are read by it. Empty: the net is not trained, and they stay at their first point.
  std::function<optim::RunLength(double batches_per_epoch)> run_length;
  // What the solver's rules make of the parameters. It sees the net without a backward pass, and
  // the number of batches in an epoch (0: unknown). Empty: the definition holds.
  std::function<std::map<std::string, graph::ParamChoice>(const graph::Graph&,
                                                          double batches_per_epoch)>
      choose;
  InputOptions inputs;
};

class Net {
 public:
  // Error / ErrorList: kConfig for the definition, kData for its sources.
  Net(const config::NetConfig& config, const NetOptions& options, const Context& context);

  Net(const Net&) = delete;

  // The graph with other choices for its parameters, for the shapes that the sources gave at first.
  std::shared_ptr<const graph::Graph> graph_for(
      const std::map<std::string, graph::ParamChoice>& choices) const;
  // Graph and plans anew for other choices; the parameters stay where they are. Ids of values and
  // references to graph() end. Parameters without a gradient now give its memory back.
  void replan(const std::map<std::string, graph::ParamChoice>& choices);

  // Error if that cannot be done.
  void try_replan(const std::map<std::string, graph::ParamChoice>& choices) const;

  // Of the shapes of the last pass.
  const graph::Graph& graph() const { return session_->graph(); }
  exec::Session& session() { return *session_; }
  const exec::Session& session() const { return *session_; }
  exec::ParamStore& params() { return session_->params(); }

  // Batch `batch` of every source becomes the input of the next forward pass, whatever its size.
  // Error{kData} too where that size does not fit the net.
  void feed(int64_t batch);
  // Feeds every input a synthetic_batch(); feed() then replaces those of sources.
  void feed_synthetic(uint64_t seed);
  // A forward pass, and the backward pass after it; the weighted loss. With a reporter, what
  // debug_info prints of them. Error{kOutput} from HDF5Output layers.
  double forward(const ops::StepInfo& step, report::Reporter* debug = nullptr);
  double pass(const ops::StepInfo& step, report::Reporter* debug = nullptr);
  // The inputs of the next forward pass, as they were fed.
  std::vector<std::vector<float>> inputs() const;
  // The batch of the last feed() once more.
  void refeed();
  // The loader of the only data layer and that layer; null if there are several or none.
  data::Loader* only_loader() const;
  const graph::LayerInfo& source_layer() const;
  // Error{kConfig} if the net has inputs that nothing feeds.
  void require_sources(const char* verb) const;

  // Samples per batch of the first input; 0 without inputs.
  int64_t batch_size() const;
  // Samples in one epoch of the first source; 0 without sources.
  int64_t samples() const;
  // What was assumed about missing data, one line each.
  const std::vector<std::string>& notes() const { return notes_; }
  // The outputs' values after a forward pass.
  std::vector<report::Output> outputs() const;
  // Fills every parameter that is not shared.
  void initialise(uint64_t seed);

 private:
  struct Feed {
    std::unique_ptr<data::Loader> loader;
    std::vector<size_t> inputs;  // graph input per top
    size_t layer = 0;
    std::vector<std::span<const float>> tops;  // the present batch
  };
  void open_sources(const config::NetConfig& net, const NetOptions& options);
  void open_source(const config::LayerConfig& layer, const NetOptions& options);
  void do_without(const config::LayerConfig& layer, const InputOptions& inputs, Error missing);
  double batches_per_epoch(const config::NetConfig& net, const InputOptions& inputs) const;
  exec::Session::Build builder(config::NetConfig net, graph::BuildOptions options,
                               const Net* trained = nullptr) const;
  void connect();
  // Hands what the pass computed to HDF5Output's files; returns its argument.
  double drained(double loss);
  void fix_layouts();

  plan::Engines engines_;
  config::NetConfig config_;  // filtered, with the inputs that were asked for
  graph::BuildOptions build_;
  exec::Session::Options session_options_;
  std::unique_ptr<exec::Session> session_;
  std::map<std::string, std::unique_ptr<data::Loader>> opened_;  // by source_key(), until connected
  std::map<std::string, std::vector<Shape>> source_shapes_;      // by source_key()
  std::vector<Feed> feeds_;
  std::vector<data::Hdf5Output> drains_;  // per sink of the graph
  std::vector<std::vector<float>> synthetic_;
  std::set<std::string> shared_names_;
  std::vector<std::string> notes_;
};

// Adds one batch's outputs to the sums over batches; empty sums take the first batch's.
void accumulate(std::vector<report::Output>& sums, const std::vector<report::Output>& outputs);

}  // namespace crema::train
