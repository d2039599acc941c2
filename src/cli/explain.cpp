// crema explain: what every parameter will do, before anything runs.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <set>

#include "base/text.hpp"
#include "cli/flags.hpp"
#include "cli/verbs.hpp"
#include "optim/optimizer.hpp"

namespace crema::cli {

namespace {

// The iterations at which rates are shown: the first, every jump of the policy, the last; for
// policies that change all the time, the quarters of the run.
std::vector<int64_t> moments(const optim::LrPolicy& policy, int64_t first, int64_t max_iter) {
  std::set<int64_t> out{first};
  const int64_t last = std::max(first, max_iter - 1);
  const std::vector<int64_t> jumps = policy.boundaries(max_iter);
  for (const int64_t t : jumps)
    if (t >= first) out.insert(t);
  if (jumps.empty() && policy.rate(first) != policy.rate(last))
    for (int quarter = 1; quarter < 4; ++quarter) out.insert(first + (last - first) * quarter / 4);
  out.insert(last);
  return {out.begin(), out.end()};
}

// How a parameter moves, in words.
std::string movement(const graph::ParamInfo& param, const optim::ParamSettings& settings,
                     const graph::LayerInfo& layer, size_t blob, double weight_decay) {
  if (param.state) return "running statistic: not learned";
  const bool reached = layer.param_backward[blob] && param.gradient != graph::kNone;
  if (param.choice.frozen) return "does not move: frozen";
  if (settings.lr_mult.always(0)) return "does not move: lr_mult 0";
  if (reached) return "learns (" + layer.backward_reason + ")";
  if (weight_decay != 0)
    return "MOVES BY DECAY ONLY: no gradient reaches it (" + layer.backward_reason + ")";
  return "does not move: no gradient reaches it (" + layer.backward_reason + ")";
}

std::string column(const std::string& text, size_t width) {
  return fmt::format("{:<{}}  ", text, width);
}

void print_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows)
    for (size_t i = 0; i < row.size(); ++i) {
      widths.resize(std::max(widths.size(), row.size()));
      widths[i] = std::max(widths[i], row[i].size());
    }
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) line += column(row[i], widths[i]);
    line.erase(line.find_last_not_of(' ') + 1);
    std::puts(line.c_str());
  }
}

void print_heading(const config::SolverConfig& solver, const optim::Optimizer& optimizer) {
  const caffe::SolverParameter& p = solver.param;
  std::printf("%s: %s\n", p.type().empty() ? "SGD" : p.type().c_str(),
              optimizer.rule().formula().c_str());
  std::printf("lr_policy %s: %s\n", p.lr_policy().c_str(), optimizer.policy().formula().c_str());
  std::printf(
      "one update: sum over iter_size %d, %s%s weight decay %g (%s), rule\n", p.iter_size(),
      p.caffe_compat() ? "clip the sum, divide" : "divide, clip",
      p.clip_gradients() < 0 ? " (off)," : fmt::format(" at {:g},", p.clip_gradients()).c_str(),
      p.weight_decay(), p.regularization_type().c_str());
  std::puts(
      "rate of a parameter = rate of the policy x lr_mult; it scales the step, not the gradient");
}

}  // namespace

int explain(Session& session) {
  config::SolverConfig solver = load_solver("explain", session);
  if (!solver.param.has_max_epoch()) optim::Optimizer(solver, {}, {solver.param.max_iter(), 1});
  train::NetOptions options;
  options.inputs = input_options(true);
  options.training = true;
  int64_t first = 0;
  train::Loaded loaded;
  std::vector<snapshot::WeightsFile> files;
  if (!FLAGS_snapshot.empty()) {
    const snapshot::State state = snapshot::read_state(FLAGS_snapshot);
    first = state.iter;
    loaded = {state.weights_given, {state.loaded.begin(), state.loaded.end()}};
  } else {
    for (const std::string& path : train::weights_paths(split(FLAGS_weights, ','), solver))
      files.push_back(snapshot::read_weights(path));
  }
  optim::RunLength run;
  std::vector<optim::ParamSettings> settings;
  options.run_length = [&](double batches_per_epoch) {
    return train::run_length(solver, batches_per_epoch);
  };
  options.choose = [&](const graph::Graph& survey, double batches_per_epoch) {
    if (!files.empty()) loaded = train::loaded_from(files, survey, solver);
    run = train::run_length(solver, batches_per_epoch);
    settings = optim::resolve_rules(solver, train::facts_of(survey, loaded), run);
    return train::choices_at(first, survey, settings);
  };
  train::Net net(solver.train_net, options, session.context);
  const graph::Graph& graph = net.graph();
  std::vector<optim::Param> params;
  for (size_t i = 0; i < settings.size(); ++i)
    params.push_back({graph.params[i].name, {}, {}, settings[i]});
  const optim::Optimizer optimizer(solver, std::move(params), run);
  print_heading(solver, optimizer);
  for (const std::string& note : net.notes()) std::printf("note: %s\n", note.c_str());
  for (const std::string& note : graph.notes) std::printf("note: %s\n", note.c_str());
  for (const graph::CarriedInfo& state : graph.carried)
    std::printf("state: %s (%s) goes from each batch to the next, 0 at first%s\n",
                state.name.c_str(),
                graph.values[static_cast<size_t>(state.value)].shape.text().c_str(),
                solver.param.caffe_compat() ? " and after a resume (caffe_compat)"
                                            : "; it is saved in the .solverstate");

  const std::vector<int64_t> at = moments(optimizer.policy(), first, solver.param.max_iter());
  std::vector<std::vector<std::string>> rows(1);
  rows[0] = {"parameter", "shape", "lr_mult", "decay_mult"};
  for (const int64_t t : at) rows[0].push_back(fmt::format("rate@{}", t));
  rows[0].push_back("decay");
  rows[0].push_back("what it does");
  for (size_t i = 0; i < graph.params.size(); ++i) {
    const graph::ParamInfo& param = graph.params[i];
    const optim::ParamSettings& own = settings[i];
    const graph::LayerInfo& layer = graph.layers[static_cast<size_t>(param.layer)];
    std::vector<std::string> row{param.name, param.shape.text(), own.lr_mult.text(),
                                 own.decay_mult.text()};
    for (const int64_t t : at)
      row.push_back(param.state        ? "-"
                    : own.freeze.at(t) ? "frozen"
                                       : fmt::format("{:.6g}", optimizer.rate(i, t)));
    const double decay = optimizer.weight_decay(i, first);
    row.push_back(param.state ? "-" : fmt::format("{:g}", decay));
    row.push_back(movement(param, own, layer, static_cast<size_t>(param.blob), decay));
    rows.push_back(std::move(row));
  }
  print_table(rows);
  return 0;
}

}  // namespace crema::cli
