#include "cli/flags.hpp"

#include <fmt/format.h>
#include <gflags/gflags.h>

#include "base/error.hpp"
#include "base/text.hpp"

DEFINE_string(solver, "", "train, explain, time: the solver definition");
DEFINE_string(model, "", "test, time, plan: the net definition");
DEFINE_string(weights, "", "train, test: .caffemodel files to start from, separated by commas");
DEFINE_string(snapshot, "", "train: the .solverstate to resume from");
DEFINE_bool(resume, false,
            "train: resume from the solver's newest whole snapshot, if there is one");
DEFINE_int32(iterations, 50, "test, time: batches to run; find-lr: updates (100)");
DEFINE_string(phase, "", "time, plan: TRAIN (default) or TEST");
DEFINE_int32(level, 0, "the level of the net's state");
DEFINE_string(stage, "", "stages of the net's state, separated by commas");
DEFINE_string(gpu, "", "accepted for Caffe's sake; crema computes on the CPU");
DEFINE_string(sigint_effect, "stop", "train: what SIGINT does: stop, snapshot or none");
DEFINE_string(sighup_effect, "snapshot", "train: what SIGHUP does: stop, snapshot or none");
DEFINE_int32(threads, 0, "compute threads; 0: as many as the machine has");
DEFINE_string(json, "", "train, test, time: write the results to this file");
DEFINE_string(engines, "", "engines in order of preference, separated by commas");
DEFINE_string(
    plan_skip, "",
    "passes of the plan to leave out: fuse (all of copies, fold, batch_norm, post, concat), "
    "recompute, freeze (pruning), inplace, views, memory, update");
DEFINE_string(precision, "", "F32, BF16 or BF16_FORCED, for nets without a solver");
DEFINE_string(recompute, "", "NONE, CHEAP or AUTO, for nets without a solver");
DEFINE_double(memory_budget_mib, 0, "with --recompute=AUTO: what the arena may take, in MiB");
DEFINE_string(log, "auto", "auto, lines (Caffe's log lines) or progress (for a terminal)");
DEFINE_bool(synthetic, false,
            "train, explain, plan, time: random input instead of data; no source is opened");
DEFINE_int32(batch, 0, "the batch size of all inputs; 0: as the definition says");
DEFINE_string(shape, "",
              "with --synthetic, explain or plan: shapes of one sample, data:3x64x64,label:1");
DEFINE_string(at, "", "explain: the iterations to show, separated by commas");
DEFINE_string(plot, "", "explain, find-lr: draw the curves into this file (SVG)");
DEFINE_string(diff, "", "explain: another solver definition to compare with");
DEFINE_bool(per_rule, false, "find-lr: test the multiplier of every param_rule too");
DEFINE_double(from, 1e-7, "find-lr: the lowest learning rate");
DEFINE_double(to, 10, "find-lr: the highest learning rate");
DEFINE_int64(epoch_samples, 0, "explain: samples in an epoch, where the data are missing");
DEFINE_string(format, "text",
              "time, explain: what is written to standard output: text, csv or json");
DEFINE_string(compare, "", "time: an older report (JSON) to show ratios to");
DEFINE_string(in, "", "upgrade: the file to read");
DEFINE_string(out, "", "upgrade: the file to write");
DEFINE_bool(memory, false, "plan: show the memory map, step by step");
DEFINE_string(events, "", "train: write every event as a line of JSON to this file");
DEFINE_string(tensorboard, "", "train: write TensorBoard's event files to this folder");
DEFINE_int32(event_interval, 1,
             "train: iterations between points of --events and --tensorboard curves");

namespace crema::cli {

namespace {

std::string flag_name(const std::string& argument) {
  const size_t begin = argument.find_first_not_of('-');
  const size_t end = argument.find('=');
  return argument.substr(begin, end == std::string::npos ? end : end - begin);
}

void check_known(const std::string& argument) {
  const std::string name = flag_name(argument);
  gflags::CommandLineFlagInfo info;
  if (gflags::GetCommandLineFlagInfo(name.c_str(), &info)) return;
  if (name.starts_with("no") && gflags::GetCommandLineFlagInfo(name.c_str() + 2, &info) &&
      info.type == "bool")
    return;
  std::vector<gflags::CommandLineFlagInfo> all;
  gflags::GetAllFlags(&all);
  std::vector<std::string> ours{"set", "help", "version"};
  for (const auto& flag : all)
    if (flag.filename.ends_with("cli/flags.cpp")) ours.push_back(flag.name);
  throw Error(ErrorCode::kUsage, fmt::format("unknown flag '{}'", argument))
      .advise(suggestion(name, ours, ours.size()));
}

// "--flag value" takes the next word; "--flag=value" and boolean flags do not.
bool takes_next_word(const std::string& argument) {
  gflags::CommandLineFlagInfo info;
  return argument.find('=') == std::string::npos &&
         gflags::GetCommandLineFlagInfo(flag_name(argument).c_str(), &info) && info.type != "bool";
}

}  // namespace

Arguments parse_arguments(int argc, char** argv) {
  Arguments out;
  std::vector<std::string> flags;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument.size() < 2 || argument[0] != '-') {
      out.words.push_back(argument);
      continue;
    }
    const std::string name = flag_name(argument);
    const bool has_value = argument.find('=') != std::string::npos;
    const auto next = [&]() -> std::string {
      if (i + 1 >= argc)
        throw Error(ErrorCode::kUsage, fmt::format("flag '{}' needs a value", argument));
      return argv[++i];
    };
    if (name == "help" || name == "h") {
      out.help = true;
    } else if (name == "version") {
      out.version = true;
    } else if (name == "set") {
      out.overrides.push_back(has_value ? argument.substr(argument.find('=') + 1) : next());
    } else {
      check_known(argument);
      flags.push_back(takes_next_word(argument) ? argument + "=" + next() : argument);
    }
  }
  for (const std::string& flag : flags) {
    const std::string name = flag_name(flag);
    const size_t equals = flag.find('=');
    gflags::CommandLineFlagInfo info;
    const bool negated = !gflags::GetCommandLineFlagInfo(name.c_str(), &info);
    const std::string value = negated                       ? "false"
                              : equals == std::string::npos ? "true"
                                                            : flag.substr(equals + 1);
    const std::string target = negated ? name.substr(2) : name;
    if (gflags::SetCommandLineOption(target.c_str(), value.c_str()).empty())
      throw Error(ErrorCode::kUsage, fmt::format("'{}' is no value for flag '{}' of type {}", value,
                                                 target, info.type));
  }
  return out;
}

const std::string& required(const char* verb, const char* flag, const std::string& value) {
  if (value.empty())
    throw Error(ErrorCode::kUsage, fmt::format("crema {} needs --{}", verb, flag))
        .advise(fmt::format("crema {} --{}=FILE ...", verb, flag));
  return value;
}

}  // namespace crema::cli
