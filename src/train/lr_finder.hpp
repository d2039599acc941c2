// The learning-rate range test: the rate rises exponentially from update to update, and the loss
// shows where learning begins and where it breaks. Source: Smith, arXiv:1506.01186, section 3.3.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "train/trainer.hpp"

namespace crema::train {

struct RangeOptions {
  double from = 1e-7, to = 10;
  int steps = 100;         // updates
  double smoothing = 0.9;  // of the moving average of the loss
  double breaks = 4;       // ends when the smoothed loss is that many times its least value
};

struct RangePoint {
  double rate = 0;
  double loss = 0;  // of the batch after the update at this rate
  double smoothed = 0;
};

// Rates that a range test suggests; none where the loss did not fall. Source of the three: fastai,
// callback/schedule.py, `steep`, `minimum` and `valley` (whose text speaks of two thirds of the
// valley, and whose code takes the middle).
struct RangeSuggestions {
  std::optional<double> steepest;  // from where the smoothed loss falls most per log rate
  std::optional<double> minimum;   // a tenth of the rate of the least smoothed loss
  std::optional<double> valley;    // in the middle of the longest falling sequence
};
// `points` in the order of the rates.
RangeSuggestions suggest(const std::vector<RangePoint>& points);

// Which parameters a test is about: those rise, the others keep the rates they have.
struct RangeTarget {
  std::string name;   // "base_lr", "param_rule[0]"
  std::string place;  // of the rule
  int rule = -1;      // index of the param_rule; -1: base_lr, times each parameter's lr_mult
};
struct RangeTest {
  RangeTarget target;
  std::vector<std::string> params;  // that rise
  double held = 0;                  // the rate of the policy, by which a multiplier is measured
  std::vector<RangePoint> points;
  bool broke = false;  // the loss grew beyond what is told or was no number any more
  RangeSuggestions suggestions;
};

// What can be tested: base_lr first, then each rule with a multiplier or an optimizer. A parameter
// belongs to the last of those that select it.
std::vector<RangeTarget> range_targets(const config::SolverConfig& solver);

// A run of its own, from the state that `options` names and the solver's settings: nothing of it is
// kept or written. Errors as of Trainer.
RangeTest test_range(const config::SolverConfig& solver, const TrainOptions& options,
                     const Context& context, const RangeTarget& target, const RangeOptions& range);

}  // namespace crema::train
