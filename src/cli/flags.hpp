// Flags that the verbs share. Caffe's names and meanings; one dash or two.
#pragma once

#include <gflags/gflags_declare.h>

#include <string>
#include <vector>

DECLARE_string(solver);
DECLARE_string(model);
DECLARE_string(weights);
DECLARE_string(snapshot);
DECLARE_bool(resume);
DECLARE_int32(iterations);
DECLARE_string(phase);
DECLARE_int32(level);
DECLARE_string(stage);
DECLARE_string(gpu);
DECLARE_string(sigint_effect);
DECLARE_string(sighup_effect);
DECLARE_int32(threads);
DECLARE_string(json);
DECLARE_string(engines);
DECLARE_string(plan_skip);
DECLARE_string(precision);
DECLARE_string(recompute);
DECLARE_double(memory_budget_mib);
DECLARE_string(log);
DECLARE_bool(synthetic);
DECLARE_string(format);
DECLARE_string(compare);
DECLARE_int32(batch);
DECLARE_string(shape);
DECLARE_int64(epoch_samples);
DECLARE_string(at);
DECLARE_string(plot);
DECLARE_string(diff);
DECLARE_bool(per_rule);
DECLARE_double(from);
DECLARE_double(to);
DECLARE_bool(memory);
DECLARE_string(in);
DECLARE_string(out);
DECLARE_string(events);
DECLARE_string(tensorboard);
DECLARE_int32(event_interval);

namespace crema::cli {

// What is left of the command line after flags: the verb, and the values of --set in order.
struct Arguments {
  std::vector<std::string> words;
  std::vector<std::string> overrides;
  bool help = false, version = false;
};

// Error{kUsage} for an unknown flag (with a suggestion) or a flag without its value.
Arguments parse_arguments(int argc, char** argv);

// Error{kUsage} saying that `verb` needs the flag.
const std::string& required(const char* verb, const char* flag, const std::string& value);

}  // namespace crema::cli
