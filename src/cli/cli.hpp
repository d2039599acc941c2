// The command line: one file per verb. Exit codes are those of base/error.hpp.
#pragma once

namespace crema::cli {

int run(int argc, char** argv);

}  // namespace crema::cli
