#include "train/lr_finder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace crema::train {

namespace {

// The solver without what a range test must not do: tests, snapshots, lines.
config::SolverConfig bare(config::SolverConfig solver, int64_t last) {
  caffe::SolverParameter& p = solver.param;
  p.set_test_interval(0);
  p.set_snapshot(0);
  p.set_snapshot_after_train(false);
  p.set_display(0);
  p.set_verify_interval(0);
  p.set_histogram_interval(0);
  if (!p.has_max_epoch())
    p.set_max_iter(static_cast<int32_t>(std::max<int64_t>(p.max_iter(), last)));
  return solver;
}

// The rule that decides a parameter's rate: the last one that selects it and has a multiplier or an
// optimizer; -1: none.
int deciding_rule(const config::SolverConfig& solver, const optim::ParamSettings& settings) {
  for (auto r = settings.rules.rbegin(); r != settings.rules.rend(); ++r) {
    const caffe::ParamRule& rule = solver.param.param_rule(*r);
    if (rule.has_lr_mult() || rule.has_lr_mult_schedule() || rule.has_optimizer()) return *r;
  }
  return -1;
}

// One range test under way.
class Range {
 public:
  Range(const config::SolverConfig& solver, const RangeOptions& options, RangeTest& test)
      : solver_(solver), options_(options), test_(test) {}

  void attach(Trainer& trainer) {
    trainer_ = &trainer;
    first_ = trainer.iteration();
    const optim::Optimizer& optimizer = trainer.optimizer();
    int own = -1;  // the optimizer whose policy the multiplier is measured by
    for (size_t p = 0; p < optimizer.params().size(); ++p) {
      const optim::ParamSettings& settings = optimizer.params()[p].settings;
      const bool state = trainer.net().graph().params[p].state;
      const bool chosen = test_.target.rule < 0
                              ? optimizer.group(p).rule < 0
                              : deciding_rule(solver_, settings) == test_.target.rule;
      rises_.push_back(chosen && !state && !settings.freeze.at(first_));
      held_.push_back(optimizer.rate(p, first_));
      mult_.push_back(settings.lr_mult.at(first_));
      if (!rises_.back()) continue;
      own = optimizer.group(p).rule;
      test_.params.push_back(optimizer.params()[p].name);
    }
    for (const auto& group : optimizer.groups())
      if (group->rule == own) test_.held = group->policy->rate(first_);
  }

  void adjust(size_t p, optim::StepInfo& info) const {
    if (trainer_ == nullptr) return;
    info.rate = held_[p];
    if (!rises_[p]) return;
    const double rate = rate_of(trainer_->iteration() - first_);
    info.rate = test_.target.rule < 0 ? rate * mult_[p] : rate;
    info.policy_rate = rate;
  }

  // The loss of iteration k is that behind the update of iteration k - 1.
  void observe(int64_t iteration, double loss) {
    const int64_t k = iteration - first_ - 2;
    if (k < 0) return;
    average_ = options_.smoothing * average_ + (1 - options_.smoothing) * loss;
    const double smoothed =
        average_ / (1 - std::pow(options_.smoothing, static_cast<double>(k + 1)));
    test_.points.push_back({rate_of(k), loss, smoothed});
    least_ = std::min(least_, smoothed);
    test_.broke = smoothed > options_.breaks * least_ && least_ > 0;
    if (test_.broke || k + 1 >= options_.steps) trainer_->stop();
  }

 private:
  double rate_of(int64_t k) const {
    const double share = static_cast<double>(k) / std::max(1, options_.steps - 1);
    return options_.from * std::pow(options_.to / options_.from, share);
  }

  const config::SolverConfig& solver_;
  const RangeOptions& options_;
  RangeTest& test_;
  Trainer* trainer_ = nullptr;
  int64_t first_ = 0;
  std::vector<bool> rises_;
  std::vector<double> held_, mult_;  // per parameter
  double average_ = 0, least_ = std::numeric_limits<double>::infinity();
};

}  // namespace

RangeSuggestions suggest(const std::vector<RangePoint>& points) {
  RangeSuggestions out;
  const size_t n = points.size();
  if (n < 3) return out;
  const auto loss = [&](size_t i) { return points[i].smoothed; };
  size_t least = 0;
  for (size_t i = 1; i < n; ++i)
    if (loss(i) < loss(least)) least = i;
  if (!(loss(least) < loss(0))) return out;
  out.minimum = points[least].rate / 10;
  double fastest = 0;
  for (size_t i = 0; i < least; ++i) {
    const double slope = (loss(i + 1) - loss(i)) / std::log(points[i + 1].rate / points[i].rate);
    if (slope >= fastest) continue;
    fastest = slope;
    out.steepest = points[i].rate;
  }
  // The longest falling subsequence that ends at i, and the last point that it can begin at.
  std::vector<size_t> length(n, 1), begin(n);
  size_t end = 0;
  for (size_t i = 0; i < n; ++i) {
    begin[i] = i;
    for (size_t j = 0; j < i; ++j)
      if (loss(i) < loss(j) && length[j] + 1 >= length[i]) {
        length[i] = length[j] + 1;
        begin[i] = begin[j];
      }
    if (length[i] > length[end]) end = i;
  }
  out.valley = points[(begin[end] + end) / 2].rate;
  return out;
}

std::vector<RangeTarget> range_targets(const config::SolverConfig& solver) {
  std::vector<RangeTarget> out{{"base_lr", solver.places.at("base_lr").text(), -1}};
  for (int r = 0; r < solver.param.param_rule_size(); ++r) {
    const caffe::ParamRule& rule = solver.param.param_rule(r);
    if (!rule.has_lr_mult() && !rule.has_lr_mult_schedule() && !rule.has_optimizer()) continue;
    const std::string name = fmt::format("param_rule[{}]", r);
    out.push_back({name, solver.places.at(name).text(), r});
  }
  return out;
}

RangeTest test_range(const config::SolverConfig& solver, const TrainOptions& options,
                     const Context& context, const RangeTarget& target, const RangeOptions& range) {
  RangeTest out;
  out.target = target;
  int64_t first = 0;
  if (!options.snapshot.empty()) first = snapshot::read_state(options.snapshot).iter;
  report::Reporter silent;
  Context quiet = context;
  quiet.reporter = &silent;
  Range running(solver, range, out);
  TrainOptions own = options;
  own.adjust = [&](size_t p, optim::StepInfo& info) { running.adjust(p, info); };
  own.after_update = [&](int64_t iteration, double loss, double) {
    running.observe(iteration, loss);
  };
  Trainer trainer(bare(solver, first + range.steps + 1), std::move(own), quiet);
  running.attach(trainer);
  if (out.params.empty()) return out;
  try {
    trainer.run();
  } catch (const Error& error) {
    if (error.code != ErrorCode::kNonFinite) throw;
    out.broke = true;
  }
  out.suggestions = suggest(out.points);
  return out;
}

}  // namespace crema::train
