// The part of a plan's forward pass that says the same of a sample in every pass: what lies between
// the data and the first parameter that learns, the first random number, or the first step that
// mixes samples.
#pragma once

#include <string>
#include <vector>

#include "plan/plan.hpp"

namespace crema::plan {

enum class StepKind : uint8_t {
  kOwn,      // has to be run in every pass
  kTrunk,    // its results, row by row, are functions of the samples
  kWeights,  // rearranges weights: run in every pass, and before a trunk that is run alone
};

// A result of the trunk, or an input, that others read.
struct Feature {
  int step = kNone;  // the trunk step behind which the tensor holds it; kNone: graph input `input`
  int input = kNone;
  int tensor = kNone;
  int64_t row = 0;  // numbers per sample
};

struct Trunk {
  std::vector<StepKind> steps;  // per forward step
  std::vector<Feature> features;
  int trunk_steps = 0;
  // Where the trunk first ends: a layer, and why, for messages; kNone if it has no such place.
  int end_layer = kNone;
  std::string end_reason;
};

// `batch`: samples per pass, the size of axis 0 of whatever counts as rows. The plan is one without
// gradients of frozen parameters.
Trunk find_trunk(const Plan& plan, int64_t batch);

}  // namespace crema::plan
