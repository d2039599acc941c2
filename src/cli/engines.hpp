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

// OpenBLAS picks its kernels when it is loaded; on a processor that is newer than it, it picks the
// slowest. If so, restarts the program with OPENBLAS_CORETYPE set, and says so once.
void correct_openblas(char** argv);

}  // namespace crema::cli
