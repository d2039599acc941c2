// interop/snapshots/solver_<format>: one training state of BVLC, in both of its formats and in
// other encodings of the weights, read, compared, and written again.
#include <fmt/format.h>

#include <cmath>

#include "snapshot/state.hpp"
#include "suite.hpp"
#include "train/trainer.hpp"

namespace crema::conformance {

namespace fs = std::filesystem;

namespace {

class SnapshotCase {
 public:
  SnapshotCase(const std::string& solver, const Mix& mix)
      : expected_("expected.h5"),
        check_(expected_.number("rtol", 0), expected_.number("atol", 0)),
        solver_(config::read_solver(solver, {"snapshot_prefix=again"})) {
    context_.engines = mix.engines;
    context_.plan_skip = mix.plan_skip;
    context_.reporter = &quiet_;
  }

  std::string run() {
    const int iter = static_cast<int>(expected_.number("iter", -1));
    const bool hdf5 = solver_.param.snapshot_format() == caffe::SolverParameter::HDF5;
    const std::string ending = hdf5 ? ".h5" : "";
    const std::string state = fmt::format("snap_iter_{}.solverstate{}", iter, ending);
    read_state(state, expected_.text("learned_net") + ending);
    write_again(state, iter);
    for (const auto& entry : fs::directory_iterator("."))
      if (entry.path().filename().string().find(".caffemodel") != std::string::npos &&
          !entry.path().filename().string().starts_with("init"))
        start_from(entry.path().filename().string());
    check_.complete(expected_);
    return check_.failure();
  }

 private:
  void read_state(const std::string& path, const std::string& learned_net) {
    const snapshot::State state = snapshot::read_state(path);
    check_.equal(path + " iter", static_cast<double>(state.iter), expected_.number("iter", -1));
    check_.equal(path + " current_step", state.current_step, expected_.number("current_step", -1));
    if (state.learned_net != learned_net) check_.fail(path + " names " + state.learned_net);
    const size_t wanted = expected_.below("history").size();
    if (state.history.size() != wanted)
      return check_.fail(
          fmt::format("{} history blobs, expected {}", state.history.size(), wanted));
    for (size_t h = 0; h < wanted; ++h) {
      const std::string name = fmt::format("history/{}", h);
      check_.equal(name, state.history[h].shape, expected_.array(name).shape);
      check_.equal(name, state.history[h].values, expected_.array(name));
    }
  }

  // A trainer resumed from the state has its weights; what it writes at once says the same, in the
  // layout of the original.
  void write_again(const std::string& state, int iter) {
    train::TrainOptions options;
    options.snapshot = state;
    train::Trainer trainer(solver_, std::move(options), context_);
    compare_params(state, trainer);
    trainer.snapshot();
    for (const std::string kind : {".caffemodel", ".solverstate"}) {
      const std::string ending = kind + (state.ends_with(".h5") ? ".h5" : "");
      const std::string theirs = fmt::format("snap_iter_{}{}", iter, ending),
                        ours = fmt::format("again_iter_{}{}", iter, ending);
      if (kind == ".caffemodel")
        compare_weights(theirs, ours);
      else
        read_state(ours, fmt::format("again_iter_{}.caffemodel{}", iter,
                                     state.ends_with(".h5") ? ".h5" : ""));
      if (state.ends_with(".h5")) compare_layout(theirs, ours);
    }
  }

  void compare_weights(const std::string& theirs, const std::string& ours) {
    const snapshot::WeightsFile a = snapshot::read_weights(theirs),
                                b = snapshot::read_weights(ours);
    std::map<std::string, const snapshot::LayerBlobs*> layers;
    for (const snapshot::LayerBlobs& layer : b.layers) layers[layer.layer] = &layer;
    for (const snapshot::LayerBlobs& layer : a.layers) {
      const auto it = layers.find(layer.layer);
      if (it == layers.end() || it->second->blobs.size() != layer.blobs.size())
        return check_.fail(ours + " has not the blobs of layer " + layer.layer);
      for (size_t i = 0; i < layer.blobs.size(); ++i)
        check_.equal(fmt::format("{}: {}/{}", ours, layer.layer, i), it->second->blobs[i].values,
                     {layer.blobs[i].shape, layer.blobs[i].values});
    }
  }

  // Every number of their HDF5 file stands at the same place of ours.
  void compare_layout(const std::string& theirs, const std::string& ours) {
    const CaseFile a(theirs), b(ours);
    for (const std::string& path : a.below("/")) {
      if (!b.has(path)) check_.fail(ours + " has no dataset " + path);
      if (!b.has(path) || path == "learned_net") continue;
      check_.equal(ours + ": " + path, b.array(path).shape, a.array(path).shape);
      check_.equal(ours + ": " + path, b.array(path).values, a.array(path));
    }
  }

  void start_from(const std::string& weights) {
    train::TrainOptions options;
    options.weights = {weights};
    train::Trainer trainer(solver_, std::move(options), context_);
    compare_params(weights, trainer);
  }

  void compare_params(const std::string& from, train::Trainer& trainer) {
    const graph::Graph& graph = trainer.net().graph();
    for (const std::string& entry : expected_.below("param")) {
      const size_t slash = entry.rfind('/');
      const int layer = graph.find_layer(entry.substr(0, slash));
      const size_t blob = std::stoul(entry.substr(slash + 1));
      if (layer == graph::kNone || blob >= graph.layers[layer].params.size())
        return check_.fail("no parameter " + entry);
      const size_t p = static_cast<size_t>(graph.layers[layer].params[blob]);
      const Array wanted = expected_.array("param/" + entry);
      check_.equal(from + ": " + entry, graph.params[p].shape, wanted.shape);
      check_.equal(from + ": " + entry, trainer.net().params().value(p), wanted);
    }
  }

  CaseFile expected_;
  Check check_;
  config::SolverConfig solver_;
  report::Reporter quiet_;
  train::Context context_;
};

}  // namespace

std::string run_snapshot_case(const fs::path& solver, const Mix& mix) {
  const Workplace here(solver.parent_path());
  return SnapshotCase(solver.filename().string(), mix).run();
}

}  // namespace crema::conformance
