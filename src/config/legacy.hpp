// Upgrades of older net definitions (facts: net.md section 10). Room-internal.
#pragma once

#include <string>
#include <vector>

#include "config/places_index.hpp"
#include "proto/net.pb.h"
#include "proto/solver.pb.h"

namespace crema::config {

struct LegacyRemark {
  std::string path;  // in the original definition
  std::string message;
};

struct LegacyUpgrade {
  std::vector<Renaming> steps;  // where the fields of the new form come from
  std::vector<LegacyRemark> notes, errors;
};

// Brings the net into its present form. With errors the net is left half-upgraded.
LegacyUpgrade upgrade_legacy(caffe::NetParameter& net);

// The older solver_type becomes type; both are a mistake.
void upgrade_solver_type(caffe::SolverParameter& solver, Places::Index& index,
                         Diagnostics& diagnostics);

}  // namespace crema::config
