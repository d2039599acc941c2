// The event sinks. One file each.
#pragma once

#include <cstdio>
#include <memory>
#include <string>

#include "report/event.hpp"

namespace crema::report {

// Caffe's log lines through glog, as parse_log.py and its relatives read them (glog's prefix
// without the year). glog must be initialised.
std::unique_ptr<Sink> make_glog_lines();

// For people at a terminal: one progress line that is rewritten in place, test results and
// snapshots as lines that stay.
std::unique_ptr<Sink> make_console(std::FILE* out);

// How the file sinks begin, and how much they keep.
struct FileSinkOptions {
  bool resumed = false;  // the run goes on with an earlier one
  int64_t interval = 1;  // iterations between two points of the curves, >= 1
};

// One JSON object per line and event, README has the fields. A resumed run appends (a line that a
// crash left unfinished is removed), any other starts the file anew, when it begins. What is said
// below a `run` line takes the place of what is said above it of later iterations. Error{kOutput}.
std::unique_ptr<Sink> make_jsonl(const std::string& path, const FileSinkOptions& options);

// TensorBoard's event files: a new one in `folder` for every run, resumed or not, marked so that
// TensorBoard drops what earlier files say about the iterations that are repeated. Error{kOutput}.
std::unique_ptr<Sink> make_tensorboard(const std::string& folder, const FileSinkOptions& options);
// Caffe's lines of debug_info, for both.
std::string debug_text(const DebugValue& event);
std::string debug_text(const DebugNorms& event);

}  // namespace crema::report
