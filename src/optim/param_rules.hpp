// Parameter rules: from what the net and the solver say to what holds for each parameter.
// Pure: no net, no memory, no files; `train` and `explain` read the same result.
#pragma once

#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "optim/schedule.hpp"

namespace crema::optim {

// What is known of a parameter before any rule is applied.
struct ParamFacts {
  std::string layer, type, blob;       // "conv1", "Convolution", "weight"
  int position = 0;                    // of the blob in its layer
  int depth = 0;                       // of its (owning) layer in the net
  bool state = false;                  // running statistics
  bool loaded = false;                 // is in the weights files
  double lr_mult = 1, decay_mult = 1;  // what the net says
  Location lr_mult_place, decay_mult_place;
  caffe::ParamSpec spec;  // the net's param block: its further fields
  config::Places places;  // ... and where they stand

  std::string name() const { return layer + "/" + blob; }
};

struct NetFacts {
  std::vector<std::string> layers;  // every layer, in the order of the net
  std::vector<ParamFacts> params;   // in the order of the net's parameters
  bool weights_given = false;       // there are weights files, so `loaded` means something
};

// When a parameter is frozen: t < until, or t >= from.
struct FreezeTime {
  int64_t until = 0;
  std::optional<int64_t> from;
  bool at(int64_t t) const { return t < until || (from && t >= *from); }
  bool never() const { return until <= 0 && !from; }
  bool for_good() const {
    return until == std::numeric_limits<int64_t>::max() || (from && *from <= until);
  }
};

// What holds for one parameter.
struct ParamSettings {
  Schedule lr_mult, decay_mult, grad_mult;
  Location lr_mult_place, decay_mult_place, grad_mult_place, freeze_place;  // what decided
  bool grad_mult_before_clip = false;
  FreezeTime freeze;
  bool live_statistics = false;  // when frozen
  bool hold_slots = false;       // when frozen
  std::vector<int> rules;        // indices of the param_rule that select it
  int optimizer_rule = -1;       // the param_rule whose `optimizer` it has; -1: the solver's own
};

// Settings in the order of the net's parameters. Error / ErrorList, located: kUnmatchedRule for a
// rule that selects nothing (with the nearest names), kConfig for everything else.
std::vector<ParamSettings> resolve_rules(const config::SolverConfig& solver, const NetFacts& net,
                                         const RunLength& run);

// The iterations in (0, max_iter) at which the set of frozen parameters changes, ascending.
std::vector<int64_t> freeze_boundaries(std::span<const ParamSettings> settings, int64_t max_iter);

}  // namespace crema::optim
