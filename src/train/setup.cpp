// A trainer's construction.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <random>

#include "base/files.hpp"
#include "base/text.hpp"
#include "optim/notes.hpp"
#include "train/precision.hpp"
#include "train/recompute.hpp"
#include "train/trainer.hpp"
#include "train/update.hpp"

namespace crema::train {

Trainer::Trainer(config::SolverConfig solver, TrainOptions options, const Context& context)
    : solver_(std::move(solver)),
      param_(solver_.param),
      options_(std::move(options)),
      context_(context),
      reporter_(*context.reporter) {
  // The optimizer's settings are checked before any data are opened, where they do not depend on
  // the length of those.
  if (!param_.has_max_epoch()) optim::Optimizer(solver_, {}, {param_.max_iter(), 1});
  weights_rules_ = WeightsRules(solver_);
  note_ignored_fields();
  probe_prefix();
  std::unique_ptr<snapshot::State> state;
  if (!options_.snapshot.empty())
    state = std::make_unique<snapshot::State>(snapshot::read_state(options_.snapshot));
  choose_seed(state.get());
  if (state) {
    iteration_ = state->iter;
    loaded_ = {state->weights_given, {state->loaded.begin(), state->loaded.end()}};
  } else {
    read_weights_files();
  }
  build_nets();
  build_optimizer();
  if (state) {
    restore(*state);
  } else {
    load_weights_files();
    optimizer_->ema().start(optimizer_->params());
  }
  cache_features(true);
}

void Trainer::note_ignored_fields() {
  const auto warn = [&](bool set, const char* field, const char* text) {
    if (set) reporter_.warn(fmt::format("{}: {}", solver_.places.at(field).text(), text));
  };
  warn(param_.has_solver_mode() && param_.solver_mode() == caffe::SolverParameter::GPU,
       "solver_mode", "crema computes on the CPU; solver_mode: GPU is ignored");
}

// Every layer is a group of the file: its name must be good for one, and its own.
void Trainer::check_names() const {
  Diagnostics diagnostics;
  std::map<std::string, Location> seen;
  for (const graph::LayerInfo& layer : net_->graph().layers) {
    const auto [first, fresh] = seen.emplace(layer.name, layer.places.at("name"));
    const std::string flaw =
        fresh ? snapshot::hdf5_name_flaw(layer.name) : "an earlier layer has it already";
    if (flaw.empty()) continue;
    Error& error = diagnostics.add(
        Error(ErrorCode::kConfig,
              fmt::format("HDF5 snapshots cannot hold the layer '{}': {}", layer.name, flaw)));
    error.at(layer.places.at("name"));
    if (!fresh) error.note("the other one is here", first->second);
    error.note("HDF5 is chosen here", solver_.places.at("snapshot_format"));
    error.advise("rename the layer, or write snapshot_format: BINARYPROTO in the solver");
  }
  diagnostics.throw_if_any();
}

void Trainer::probe_prefix() const {
  // A run that cannot save is best told so before it starts.
  if (param_.snapshot() > 0) AtomicFile(param_.snapshot_prefix() + "_iter_0.probe");
}

void Trainer::choose_seed(const snapshot::State* state) {
  if (state && state->by_crema) {
    seed_ = state->seed;
    if (param_.random_seed() >= 0 && static_cast<uint64_t>(param_.random_seed()) != seed_)
      reporter_.warn(fmt::format("{}: the resumed run goes on with its own seed {}",
                                 solver_.places.at("random_seed").text(), seed_));
    return;
  }
  if (param_.random_seed() >= 0) {
    seed_ = static_cast<uint64_t>(param_.random_seed());
    return;
  }
  std::random_device entropy;
  seed_ = entropy() & 0x7fffffffu;  // as random_seed could say it
  reporter_.info(fmt::format("random_seed: {} (drawn; write it to repeat this run)", seed_));
}

void Trainer::read_weights_files() {
  for (const std::string& path : weights_paths(options_.weights, solver_))
    weights_files_.push_back(snapshot::read_weights(path));
  for (const snapshot::WeightsFile& file : weights_files_)
    reporter_.info("Finetuning from " + file.path);
  if (weights_files_.empty() && weights_rules_.maps())
    throw Error(ErrorCode::kConfig, "there is a weights_map, but no weights file")
        .at(solver_.places.at("weights_map"))
        .advise("give the file with --weights, or in the solver with `weights`");
}

std::map<std::string, graph::ParamChoice> Trainer::apply_rules(const graph::Graph& net,
                                                               double batches_per_epoch) {
  if (!weights_files_.empty()) loaded_ = loaded_from(weights_files_, net, solver_);
  run_length_ = run_length(solver_, batches_per_epoch);
  settings_ = optim::resolve_rules(solver_, facts_of(net, loaded_), run_length_);
  boundaries_ = optim::freeze_boundaries(settings_, param_.max_iter());
  return choices_at(iteration_, net, settings_);
}

std::unique_ptr<Net> Trainer::make_net(const config::NetConfig& config, const NetOptions& options) {
  auto net = std::make_unique<Net>(config, options, context_);
  if (options.inputs.synthetic || options.inputs.fill)
    net->feed_synthetic(seed_);
  else
    net->require_sources("train");
  return net;
}

void Trainer::build_nets() {
  Diagnostics diagnostics;
  NetOptions options;
  options.seed = seed_;
  options.prefetch_threads = param_.prefetch_threads();
  options.inputs = options_.inputs;
  options.training = true;
  options.precision =
      options_.precision ? *options_.precision : solver_precision(solver_, context_);
  options.recompute = options_.recompute ? *options_.recompute : solver_recompute(solver_);
  options.separate_gradients = param_.iter_size() > 1;
  options.hand_out_gradients = !needs_whole_gradients(param_, context_.plan_skip);
  options.in_pieces = optim::elementwise(solver_);
  options.every_value = param_.debug_info();
  options.caffe_compat = param_.caffe_compat();
  options.run_length = [this](double batches_per_epoch) {
    return run_length(solver_, batches_per_epoch);
  };
  options.choose = [this](const graph::Graph& net, double batches_per_epoch) {
    return apply_rules(net, batches_per_epoch);
  };
  diagnostics.guard([&] { net_ = make_net(solver_.train_net, options); });
  if (net_ && options.recompute.mode == plan::Recompute::kAuto)
    diagnostics.guard([&] { check_later_plans(); });
  if (net_)
    for (const std::string& text : {precision_text(*net_), recompute_text(*net_)})
      if (!text.empty()) reporter_.info(text);
  options.training = false;
  options.separate_gradients = options.hand_out_gradients = false;
  options.choose = nullptr;
  options.run_length = nullptr;
  options.trained = net_.get();
  for (const config::NetConfig& test : solver_.test_nets)
    diagnostics.guard([&] { test_nets_.push_back(make_net(test, options)); });
  diagnostics.throw_if_any();
  if (hdf5()) check_names();
  std::vector<Note> notes = config::unread_settings(config::filter(solver_.train_net));
  notes.insert(notes.begin(), solver_.train_net.notes.begin(), solver_.train_net.notes.end());
  for (const Note& note : notes)
    reporter_.warn(fmt::format("{}: {}", note.location.text(), note.message));
  for (const std::string& note : net_->graph().notes) reporter_.warn(note);
  net_->initialise(seed_);
  for (const auto& test : test_nets_) test->initialise(seed_);
}

void Trainer::build_optimizer() {
  std::vector<optim::Param> params;
  for (size_t i = 0; i < net_->params().size(); ++i) {
    const graph::ParamInfo& info = net_->graph().params[i];
    exec::Parameter& memory = net_->params()[i];
    const size_t count = memory.physical_count();
    // Statistics are in the list, with multiplier 0, because BVLC's history counts them.
    params.push_back({info.name, {static_cast<float*>(memory.value()), count}, {}, settings_[i]});
  }
  optimizer_ = std::make_unique<optim::Optimizer>(solver_, std::move(params), run_length_);
  optimizer_->prepare(iteration_);
  net_->session().gradient_ready = [this](const exec::ReadyGradient& ready) { step(ready); };
  bind_gradients();
  check_metrics();
  std::vector<optim::ParamNote> notes = optim::notes(*optimizer_, solver_);
  std::erase_if(notes, [](const optim::ParamNote& note) { return !note.warning; });
  for (const std::string& line : optim::note_lines(notes, *optimizer_)) reporter_.warn(line);
}

// The metrics that policies follow must be there.
void Trainer::check_metrics() {
  for (const auto& group : optimizer_->groups()) {
    const optim::MetricFollower* follower = group->policy->follower();
    if (follower == nullptr) continue;
    const optim::Metric& metric = follower->metric();
    const std::string field =
        (group->rule < 0 ? "" : fmt::format("param_rule[{}].optimizer.", group->rule)) + "plateau.";
    const auto place = [&](const char* name) { return solver_.places.at(field + name); };
    if (metric.test && metric.test_net >= static_cast<int>(test_nets_.size()))
      throw Error(ErrorCode::kConfig,
                  fmt::format("plateau follows test net {}, but there are {} test nets",
                              metric.test_net, test_nets_.size()))
          .at(place(metric.test_net == 0 ? "phase" : "test_net"))
          .advise("test nets are counted from 0; test_iter and test_interval say what is tested");
    const Net& net = metric.test ? *test_nets_[static_cast<size_t>(metric.test_net)] : *net_;
    std::vector<std::string> names{"loss"};
    for (const graph::OutputInfo& output : net.graph().outputs) names.push_back(output.name);
    if (std::count(names.begin(), names.end(), metric.name) == 0)
      throw Error(ErrorCode::kConfig,
                  fmt::format("plateau follows '{}', which is no output of that net", metric.name))
          .at(place("metric"))
          .advise(suggestion(metric.name, names));
  }
}

void Trainer::load_weights_files() {
  if (weights_files_.empty()) return;
  weights_loaded_ = WeightsPlan(weights_files_, net_->graph(), weights_rules_, true).apply(*net_);
  for (const auto& test : test_nets_)
    WeightsPlan(weights_files_, test->graph(), weights_rules_, false).apply(*test);
  reporter_.emit(*weights_loaded_);
  weights_files_.clear();
}

std::string newest_snapshot(const std::string& prefix) {
  const std::filesystem::path stem(prefix);
  const std::filesystem::path folder = stem.has_parent_path() ? stem.parent_path() : ".";
  const std::string begin = stem.filename().string() + "_iter_";
  std::multimap<int64_t, std::string, std::greater<>> found;
  std::error_code status;
  for (const auto& entry : std::filesystem::directory_iterator(folder, status)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(begin)) continue;
    const size_t end = name.find_first_not_of("0123456789", begin.size());
    const std::string digits = name.substr(begin.size(), end - begin.size());
    const std::string ending = end == std::string::npos ? "" : name.substr(end);
    if (digits.empty() || digits.size() > 18 ||
        (ending != ".solverstate" && ending != ".solverstate.h5"))
      continue;
    found.emplace(std::stoll(digits), (stem.parent_path() / name).string());
  }
  for (const auto& [iteration, path] : found) {
    try {
      snapshot::read_weights_of(snapshot::read_state(path), path);
      return path;
    } catch (const Error&) {
      continue;  // damaged or its weights are gone: an earlier one may be whole
    }
  }
  return {};
}

}  // namespace crema::train
