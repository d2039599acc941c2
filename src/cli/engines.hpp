// The engines of this build. The only place that knows which there are.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ops/engine.hpp"

namespace crema::cli {

// In the order of `names` (comma list; empty: onednn, openblas, reference as far as they are
// built). The reference engine always comes last: it refuses nothing. Error{kUsage} for an unknown
// name.
std::vector<std::unique_ptr<ops::Engine>> make_engines(const std::string& names);

// Some libraries read their environment when they are loaded, so it must be right before that. If
// it is not, restarts the program with it, once:
//   OPENBLAS_CORETYPE  OpenBLAS picks its slowest kernels on a processor that is newer than it
//   GOMP_SPINCOUNT     idle threads spin for milliseconds by default, which makes a busy neighbour
//                      cost a factor of 5; a short spin costs an idle machine next to nothing
// What the user has set is left alone.
void settle_environment(char** argv);

}  // namespace crema::cli
