// Events in words that the sinks that write text share.
#pragma once

#include <string>
#include <vector>

#include "report/event.hpp"

namespace crema::report {

// One line per file, one for what stayed at its filler, one per blob with shape, origin and norm.
std::vector<std::string> lines_of(const WeightsLoaded& event);

// "Iteration 100: 4 of 8 parameters learn, ..."
std::string text_of(const Replanned& event);

}  // namespace crema::report
