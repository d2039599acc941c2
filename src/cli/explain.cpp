// crema explain: what every parameter will do, before anything runs.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "base/files.hpp"
#include "base/text.hpp"
#include "cli/explained.hpp"
#include "cli/flags.hpp"
#include "cli/verbs.hpp"
#include "report/chart.hpp"
#include "train/precision.hpp"

namespace crema::cli {

namespace {

// A solver with its net, looked at.
class Explained {
 public:
  Explained(config::SolverConfig solver, const Session& session) : solver_(std::move(solver)) {
    const bool timeless = !solver_.param.has_max_epoch();
    if (timeless) optim::Optimizer(solver_, {}, {solver_.param.max_iter(), 1});
    read_files();
    train::NetOptions options;
    options.inputs = input_options(true);
    options.training = true;
    options.precision = train::solver_precision(solver_, session.context);
    options.caffe_compat = solver_.param.caffe_compat();
    options.run_length = [&](double batches_per_epoch) {
      return train::run_length(solver_, batches_per_epoch);
    };
    options.choose = [&](const graph::Graph& survey, double batches_per_epoch) {
      if (!files_.empty()) loaded_ = train::loaded_from(files_, survey, solver_);
      const optim::RunLength run = train::run_length(solver_, batches_per_epoch);
      settings_ = optim::resolve_rules(solver_, train::facts_of(survey, loaded_), run);
      std::vector<optim::Param> params;
      for (size_t p = 0; p < settings_.size(); ++p)
        params.push_back({survey.params[p].name, {}, {}, settings_[p]});
      optimizer_ = std::make_unique<optim::Optimizer>(solver_, std::move(params), run);
      return train::choices_at(first_, survey, settings_);
    };
    net_ = std::make_unique<train::Net>(solver_.train_net, options, session.context);
    if (const std::string text = train::precision_text(*net_); !text.empty())
      session.context.reporter->info(text);
  }

  std::vector<train::Moment> moments() const { return train::find_moments(inputs({})); }
  train::Outlook outlook(const std::vector<int64_t>& at) const {
    train::Outlook out = train::make_outlook(inputs(at));
    out.notes.insert(out.notes.begin(), net_->notes().begin(), net_->notes().end());
    return out;
  }
  // The rate of a parameter; not a number while it is frozen.
  double rate(size_t param, int64_t t) const {
    return settings_[param].freeze.at(t) ? std::numeric_limits<double>::quiet_NaN()
                                         : optimizer_->rate(param, t);
  }

 private:
  void read_files() {
    if (!FLAGS_snapshot.empty()) {
      const snapshot::State state = snapshot::read_state(FLAGS_snapshot);
      first_ = state.iter;
      loaded_ = {state.weights_given, {state.loaded.begin(), state.loaded.end()}};
      return;
    }
    for (const std::string& path : train::weights_paths(split(FLAGS_weights, ','), solver_))
      files_.push_back(snapshot::read_weights(path));
  }
  train::OutlookInputs inputs(const std::vector<int64_t>& at) const {
    return {solver_,
            *optimizer_,
            settings_,
            loaded_,
            !FLAGS_snapshot.empty(),
            first_,
            at,
            [this](int64_t t) {
              return net_->graph_for(train::choices_at(t, net_->graph(), settings_));
            }};
  }

  config::SolverConfig solver_;
  int64_t first_ = 0;
  train::Loaded loaded_;
  std::vector<snapshot::WeightsFile> files_;
  std::vector<optim::ParamSettings> settings_;
  std::unique_ptr<optim::Optimizer> optimizer_;
  std::unique_ptr<train::Net> net_;
};

std::vector<int64_t> at_flag() {
  std::set<int64_t> out;
  for (const std::string& word : split(FLAGS_at, ',')) {
    int64_t t = 0;
    const char *begin = word.data(), *end = begin + word.size();
    const auto [stop, status] = std::from_chars(begin, end, t);
    if (status != std::errc() || stop != end || t < 0)
      throw Error(ErrorCode::kUsage, fmt::format("--at: '{}' is no iteration", word))
          .advise("write numbers from 0 on, separated by commas: --at=0,1000,20000");
    out.insert(t);
  }
  return {out.begin(), out.end()};
}

// Both solvers at the same times: those of either.
std::string difference(const Explained& one, const Explained& other,
                       const std::vector<int64_t>& asked) {
  std::set<int64_t> at(asked.begin(), asked.end());
  if (asked.empty())
    for (const Explained* side : {&one, &other})
      for (const train::Moment& moment : side->moments()) at.insert(moment.iteration);
  const std::vector<int64_t> times(at.begin(), at.end());
  const std::string text = outlook_difference(one.outlook(times), other.outlook(times));
  return text.empty() ? "no differences\n" : text;
}

// Every distinct rate over the run.
void plot(const Explained& explained, const train::Outlook& outlook, const std::string& path) {
  constexpr int64_t kPoints = 600;
  const int64_t last = std::max(outlook.first, outlook.max_iter - 1);
  std::set<int64_t> times;
  for (int64_t i = 0; i <= kPoints; ++i)
    times.insert(outlook.first + (last - outlook.first) * i / kPoints);
  for (const train::Moment& moment : explained.moments())
    for (const int64_t t : {moment.iteration - 1, moment.iteration})
      if (t >= outlook.first && t <= last) times.insert(t);
  report::Chart chart;
  chart.title = fmt::format("Learning rates: {}", outlook.solver);
  chart.x_label = "iteration";
  chart.y_label = "learning rate x lr_mult";
  chart.log_y = true;
  for (const train::RateCurve& curve : outlook.curves) {
    chart.curves.push_back({curve.name, {}});
    for (const int64_t t : times)
      chart.curves.back().points.emplace_back(static_cast<double>(t),
                                              explained.rate(curve.param, t));
  }
  for (const int64_t t : outlook.freezes)
    chart.marks.push_back({static_cast<double>(t), fmt::format("freeze line moves: {}", t)});
  write_file_atomically(path, report::svg_of(chart));
}

}  // namespace

int explain(Session& session) {
  const std::string format = format_flag();
  const std::vector<int64_t> at = at_flag();
  const Explained explained(load_solver("explain", session), session);
  if (!FLAGS_diff.empty()) {
    if (format != "text")
      throw Error(ErrorCode::kUsage, "--diff is written as text only").advise("remove --format");
    const Explained other(load_solver_file(FLAGS_diff, session), session);
    std::fputs(difference(explained, other, at).c_str(), stdout);
    return 0;
  }
  const train::Outlook outlook = explained.outlook(at);
  if (!FLAGS_plot.empty()) plot(explained, outlook, FLAGS_plot);
  const std::string text = format == "json"  ? outlook_json(outlook).dump(2) + "\n"
                           : format == "csv" ? outlook_csv(outlook)
                                             : outlook_text(outlook);
  std::fputs(text.c_str(), stdout);
  return 0;
}

}  // namespace crema::cli
