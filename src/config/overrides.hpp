// --set FIELD=VALUE. Room-internal.
#pragma once

#include <string>

#include "config/places_index.hpp"
#include "proto/solver.pb.h"

namespace crema::config {

// Replaces a field of the solver and its places. Throws Error / ErrorList{kConfig} located in the
// override's own text.
void apply_override(const std::string& text, caffe::SolverParameter& solver, Places::Index& index);

}  // namespace crema::config
