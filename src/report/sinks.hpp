// The event sinks. One file each.
#pragma once

#include <cstdio>
#include <memory>

#include "report/event.hpp"

namespace crema::report {

// Caffe's log lines through glog, as parse_log.py and its relatives read them (glog's prefix
// without the year). glog must be initialised.
std::unique_ptr<Sink> make_glog_lines();

// For people at a terminal: one progress line that is rewritten in place, test results and
// snapshots as lines that stay.
std::unique_ptr<Sink> make_console(std::FILE* out);

}  // namespace crema::report
