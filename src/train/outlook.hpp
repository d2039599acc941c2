// What every parameter of a net will do over a run, before anything runs: what `crema explain`
// shows.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "graph/graph.hpp"
#include "optim/optimizer.hpp"
#include "train/rules.hpp"

namespace crema::train {

// A time worth showing, and why: "start", "lr_policy", "lr_mult", "freeze", ..., "last".
struct Moment {
  int64_t iteration = 0;
  std::vector<std::string> reasons;
};

// One parameter in one update.
struct ParamMoment {
  double rate = 0;      // learning rate x lr_mult; 0 while frozen
  double decay = 0;     // weight_decay x decay_mult
  double momentum = 0;  // 0 for optimizers without
  double lr_mult = 0, decay_mult = 0, grad_mult = 0;
  bool frozen = false;
  bool reached = false;  // by the backward pass
  std::string why;       // it is reached, or not
  std::string does;      // "learns", "frozen", "MOVES BY DECAY ONLY", ...
};

struct ParamOutlook {
  std::string name, type, shape;               // "conv1/weight", the layer's type, "20x1x5x5"
  bool state = false;                          // running statistics: they have no rate
  std::string origin;                          // "loaded", "new: xavier", "xavier", "snapshot"
  std::string optimizer, momentum_form;        // "SGD"; "LR_INSIDE", "LR_OUTSIDE" or "-"
  std::string lr_mult, decay_mult, grad_mult;  // over the run
  std::string lr_mult_place, decay_mult_place, grad_mult_place, freeze_place, optimizer_place;
  std::vector<std::string> rules;  // places of the rules that select it, in their order
  std::vector<ParamMoment> at;     // per moment
};

// Parameters that learn alike at every time.
struct RateCurve {
  std::string name;
  size_t param = 0;  // one of them
};

struct Warning {
  std::vector<std::string> params;  // about which; empty: about none in particular
  std::string text, place;
};

struct Outlook {
  std::string solver, net;           // files
  std::vector<std::string> heading;  // optimizers, policies and the order of an update
  std::vector<std::string> notes;    // what was assumed
  std::vector<Warning> warnings;     // what is allowed but does not do what it looks like
  std::vector<Moment> moments;       // ascending
  std::vector<ParamOutlook> params;  // in the order of the net
  std::vector<RateCurve> curves;
  std::vector<int64_t> freezes;  // iterations at which the frozen set changes
  int64_t first = 0, max_iter = 0;
};

// What an outlook is computed from. `graph_at` builds the graph of iteration t.
struct OutlookInputs {
  const config::SolverConfig& solver;
  const optim::Optimizer& optimizer;
  const std::vector<optim::ParamSettings>& settings;
  const Loaded& loaded;
  bool resumed = false;     // values come from a snapshot
  int64_t first = 0;        // iteration at which the run begins
  std::vector<int64_t> at;  // show these; empty: what moments() finds
  std::function<std::shared_ptr<const graph::Graph>(int64_t t)> graph_at;
};

Outlook make_outlook(const OutlookInputs& inputs);

// Every time at which a rate, a decay or the frozen set jumps or has a corner, the first and the
// last iteration; for what changes all the time between two of them, quarters of the run.
std::vector<Moment> find_moments(const OutlookInputs& inputs);

}  // namespace crema::train
