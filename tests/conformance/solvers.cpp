// solvers/<case>: whole training runs, and the same resumed.
#include <fmt/format.h>

#include <cmath>

#include "snapshot/state.hpp"
#include "suite.hpp"
#include "train/trainer.hpp"

namespace crema::conformance {

namespace fs = std::filesystem;

namespace {

class Recorder final : public report::Sink {
 public:
  explicit Recorder(std::vector<report::Event>& events) : events_(events) {}
  void on(const report::Event& event) override { events_.push_back(event); }

 private:
  std::vector<report::Event>& events_;
};

class Run {
 public:
  Run(const std::string& solver, const std::string& expected, const Mix& mix)
      : file_(expected), check_(file_.number("rtol", 0), file_.number("atol", 0)) {
    context_.engines = mix.engines;
    context_.plan_skip = mix.plan_skip;
    context_.reporter = &reporter_;
    solver_ = config::read_solver(solver, {"caffe_compat=true"});
    skip_unknown_types(config::filter(solver_.train_net));
    for (const config::NetConfig& test : solver_.test_nets)
      skip_unknown_types(config::filter(test));
    reporter_.add(std::make_unique<Recorder>(events_));
    losses_ = file_.array("loss").values;
    rates_ = file_.array("rate").values;
    first_ = static_cast<int64_t>(file_.number("first_iteration", 0));
  }

  std::string run(train::TrainOptions options) {
    train::Trainer* running = nullptr;
    options.after_update = [&](int64_t iteration, double loss, double rate) {
      const size_t k = static_cast<size_t>(iteration - 1 - first_);
      check_.equal(fmt::format("loss[{}]", k), loss, losses_.at(k));
      check_.equal(fmt::format("rate[{}]", k), rate, rates_.at(k));
      compare_params(*running, k + 1);
      ++updates_;
    };
    train::Trainer trainer(solver_, std::move(options), context_);
    running = &trainer;
    compare_params(trainer, 0);
    trainer.run();
    check_.complete(file_);
    if (updates_ != losses_.size())
      check_.fail(fmt::format("{} updates, expected {}", updates_, losses_.size()));
    return check_.failure();
  }

  const CaseFile& file() const { return file_; }

  std::string compare_with_log(const std::string& path) const {
    return compare_log(path, events_, file_.number("rtol", 0), file_.number("atol", 0));
  }

 private:
  void compare_params(train::Trainer& trainer, size_t row) {
    for (const std::string& entry : file_.below("param")) {
      const size_t slash = entry.rfind('/');
      const graph::Graph& graph = trainer.net().graph();
      const int layer = graph.find_layer(entry.substr(0, slash));
      if (layer == graph::kNone) return check_.fail("no layer of parameter " + entry);
      const int blob = std::stoi(entry.substr(slash + 1));
      const size_t p = static_cast<size_t>(graph.layers[layer].params.at(blob));
      const Array& all = rows(entry);
      const size_t width = static_cast<size_t>(all.shape.count(1));
      Array wanted{all.shape.slice(1, all.shape.rank()),
                   {all.values.begin() + static_cast<ptrdiff_t>(row * width),
                    all.values.begin() + static_cast<ptrdiff_t>((row + 1) * width)}};
      check_.equal(fmt::format("param/{} after {} updates", entry, row),
                   trainer.net().params().value(p), wanted);
    }
  }

  const Array& rows(const std::string& entry) {
    const auto it = rows_.find(entry);
    return it != rows_.end() ? it->second
                             : rows_.emplace(entry, file_.array("param/" + entry)).first->second;
  }

  CaseFile file_;
  Check check_;
  std::vector<report::Event> events_;
  report::Reporter reporter_;
  train::Context context_;
  config::SolverConfig solver_;
  std::vector<float> losses_, rates_;
  std::map<std::string, Array> rows_;
  int64_t first_ = 0;
  size_t updates_ = 0;
};

// The weights that the run wrote against those that Caffe wrote.
std::string compare_weights(const std::string& ours, const std::string& theirs, double rtol,
                            double atol) {
  const auto index = [](const snapshot::WeightsFile& file) {
    std::map<std::string, std::vector<snapshot::Blob>> out;
    for (const auto& layer : file.layers)
      if (!layer.blobs.empty()) out[layer.layer] = layer.blobs;
    return out;
  };
  const auto got = index(snapshot::read_weights(ours)),
             wanted = index(snapshot::read_weights(theirs));
  if (got.size() != wanted.size()) return "the weights file has other layers";
  Check check(rtol, atol);
  for (const auto& [name, blobs] : wanted) {
    const auto it = got.find(name);
    if (it == got.end() || it->second.size() != blobs.size())
      return "layer " + name + " is missing in the weights file, or has other blobs";
    for (size_t b = 0; b < blobs.size(); ++b) {
      const std::string what = fmt::format("final {}/{}", name, b);
      check.equal(what, it->second[b].shape, blobs[b].shape);
      check.equal(what, it->second[b].values, {blobs[b].shape, blobs[b].values});
    }
  }
  return check.failure();
}

// The snapshot that the run wrote against the one that Caffe wrote.
std::string compare_state(const std::string& state, const std::string& expected) {
  const snapshot::State ours = snapshot::read_state(state), theirs = snapshot::read_state(expected);
  if (ours.iter != theirs.iter) return "the state says another iteration";
  if (ours.current_step != theirs.current_step)
    return fmt::format("current_step {}, expected {}", ours.current_step, theirs.current_step);
  if (ours.history.size() != theirs.history.size())
    return fmt::format("{} history blobs, expected {}", ours.history.size(), theirs.history.size());
  for (size_t h = 0; h < ours.history.size(); ++h) {
    float largest = 0;
    for (const float v : theirs.history[h].values) largest = std::max(largest, std::abs(v));
    Check check(1e-3, 1e-4 * static_cast<double>(largest));
    check.equal(fmt::format("history/{}", h), ours.history[h].values,
                {theirs.history[h].shape, theirs.history[h].values});
    if (!check.failure().empty()) return check.failure();
  }
  return "";
}

std::string ending(const config::SolverConfig& solver) {
  return solver.param.snapshot_format() == caffe::SolverParameter::HDF5 ? ".h5" : "";
}

std::string run_whole(const Mix& mix) {
  Run run("solver.prototxt", "expected.h5", mix);
  const config::SolverConfig solver = config::read_solver("solver.prototxt");
  train::TrainOptions options;
  if (solver.param.weights_size() == 0) options.weights = {"init.caffemodel"};
  std::string wrong = run.run(std::move(options));
  if (!wrong.empty()) return wrong;
  const std::string stem =
      fmt::format("{}_iter_{}", solver.param.snapshot_prefix(), solver.param.max_iter());
  const std::string weights = ".caffemodel" + ending(solver),
                    state = ".solverstate" + ending(solver);
  wrong = compare_state(stem + state, "final" + state);
  if (wrong.empty())
    wrong = compare_weights(stem + weights, "final" + weights, run.file().number("rtol", 0),
                            run.file().number("atol", 0));
  if (wrong.empty() && fs::exists("train.log")) wrong = run.compare_with_log("train.log");
  return wrong;
}

std::string run_resumed(const Mix& mix) {
  const bool changed = fs::exists("solver_resume.prototxt");
  const std::string file = changed ? "solver_resume.prototxt" : "solver.prototxt";
  Run run(file, "expected_resumed.h5", mix);
  train::TrainOptions options;
  const int first = static_cast<int>(CaseFile("expected_resumed.h5").number("first_iteration", 0));
  options.snapshot =
      fmt::format("snap_iter_{}.solverstate{}", first, ending(config::read_solver(file)));
  const std::string wrong = run.run(std::move(options));
  return wrong.empty() ? "" : "resumed: " + wrong;
}

}  // namespace

std::string run_solver_case(const fs::path& folder, const Mix& mix) {
  {
    const Workplace here(folder);
    const std::string wrong = run_whole(mix);
    if (!wrong.empty() || !fs::exists("expected_resumed.h5")) return wrong;
  }
  const Workplace again(folder);  // the first run overwrote its snapshots
  return run_resumed(mix);
}

}  // namespace crema::conformance
