#include "cli/cli.hpp"

#include <fmt/format.h>
#include <glog/logging.h>
#include <unistd.h>

#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "base/parallel.hpp"
#include "base/text.hpp"
#include "cli/engines.hpp"
#include "cli/flags.hpp"
#include "cli/verbs.hpp"
#include "report/sinks.hpp"

namespace crema::cli {

namespace {

constexpr const char* kUsage =
    R"(crema trains convolutional networks from Caffe's prototxt files, each layer at its own rate.

  crema train   --solver=S [--weights=W,... | --snapshot=X | --resume] [--set FIELD=VALUE]...
  crema test    --model=M --weights=W [--iterations=N]
  crema time    --model=M | --solver=S [--iterations=N] [--phase=TEST] [--format=text|csv|json]
                [--compare=OLD.json]
  crema explain --solver=S [--weights=W | --snapshot=X] [--format=text|csv|json] [--at=T,...]
                [--plot=FILE.svg] [--diff=OTHER_SOLVER]
  crema find-lr --solver=S [--per_rule] [--weights=W | --snapshot=X] [--from=R --to=R]
                [--iterations=N] [--format=text|csv|json] [--plot=FILE.svg]
  crema plan    --model=M [--phase=TEST] [--memory]
  crema mechanisms     where scaling a gradient is scaling the step, and where it is not
  crema layers [TYPE]       the layer types; the settings, shapes and errors of one of them
  crema upgrade OLD NEW     a net (text or binary) or solver of an older Caffe, in its present form

Flags (one dash or two):
  --set FIELD=VALUE  overrides a solver field: --set base_lr=0.02 --set max_iter=200
  --json=FILE        train, test: final metrics and paths; time: the report
  --events=FILE      train: every event as a line of JSON; a resumed run appends
  --tensorboard=DIR  train: the same for TensorBoard
  --event_interval=N train: iterations between points of their curves (1)
  --threads=N        compute threads (default: all)
  --level=N --stage=A,B         the net's state, for include and exclude rules
  --sigint_effect, --sighup_effect=stop|snapshot|none    (SIGTERM: snapshot, exit code 75)
  --log=auto|lines|progress     Caffe's log lines, or one progress line
  --synthetic        random input instead of data: train, explain, plan, time (no file is read)
  --batch=N          the batch size of all inputs
  --shape=data:3x64x64,...      with --synthetic, explain, plan: shapes of one sample of the inputs
  --epoch_samples=N  explain: samples in an epoch, where the data are missing
  --engines=A,B      onednn, openblas, reference, in order of preference
  --precision=BF16   test, time, plan: as the solver's `precision`, products in bf16 where that is
                     faster; BF16_FORCED wherever it can be
  --recompute=AUTO --memory_budget_mib=N    time, plan: as the solver's fields, results of cheap
                     layers are computed again so that training needs no more; NONE: none are
  --plan_skip=PASS   leaves out passes of the plan: fuse (all of copies, fold, batch_norm, post,
                     concat), recompute, freeze (pruning), inplace, views (parts in their
                     whole), memory, update (as soon as a gradient is complete)
  --help, --version

Exit codes: 0 done, 1 command line, 2 definition, 3 unmatched rule, 4 data, 5 not a number,
  6 output file, 7 weights or state file, 70 bug in crema, 75 stopped by SIGTERM after a snapshot
)";

struct Verb {
  int (*run)(Session&);
  size_t most_operands = 0;  // words after the verb
};
const std::map<std::string, Verb>& verbs() {
  static const std::map<std::string, Verb> table{
      {"train", {train}},        {"test", {test}},        {"time", {time}},
      {"explain", {explain}},    {"find-lr", {find_lr}},  {"plan", {plan}},
      {"upgrade", {upgrade, 2}}, {"layers", {layers, 1}}, {"mechanisms", {mechanisms}}};
  return table;
}

Verb find_verb(const std::vector<std::string>& words) {
  std::vector<std::string> known;
  for (const auto& [name, verb] : verbs()) known.push_back(name);
  const std::string usage = "crema VERB --flags; verbs: " + join(known, ", ");
  if (words.empty()) throw Error(ErrorCode::kUsage, "no verb given").advise(usage);
  const auto it = verbs().find(words[0]);
  if (it == verbs().end())
    throw Error(ErrorCode::kUsage, fmt::format("unknown verb '{}'", words[0]))
        .advise(suggestion(words[0], known));
  if (const size_t most = 1 + it->second.most_operands; words.size() > most)
    throw Error(ErrorCode::kUsage, fmt::format("unexpected word '{}'", words[most])).advise(usage);
  return it->second;
}

void start_logging(const char* program) {
  // The classic prefix without a year is what log parsers read.
  FLAGS_log_year_in_prefix = false;
  if (FLAGS_log_dir.empty())
    FLAGS_logtostderr = true;
  else
    FLAGS_alsologtostderr = true;
  google::InitGoogleLogging(program);
}

void add_sink(Session& session) {
  if (FLAGS_log != "auto" && FLAGS_log != "lines" && FLAGS_log != "progress")
    throw Error(ErrorCode::kUsage, fmt::format("--log={} is unknown", FLAGS_log))
        .advise("write auto, lines or progress");
  session.progress = FLAGS_log == "progress" || (FLAGS_log == "auto" && ::isatty(STDERR_FILENO));
  session.reporter.add(session.progress ? report::make_console(stderr) : report::make_glog_lines());
}

std::set<std::string> skipped_passes() {
  std::set<std::string> out;
  for (std::string& pass : split(FLAGS_plan_skip, ',')) {
    const auto& known = plan::skippable_passes();
    if (std::find(known.begin(), known.end(), pass) == known.end())
      throw Error(ErrorCode::kUsage, fmt::format("--plan_skip: unknown pass '{}'", pass))
          .advise(suggestion(pass, known));
    out.insert(std::move(pass));
  }
  return out;
}

int run_verb(const Arguments& arguments, char** argv) {
  const Verb verb = find_verb(arguments.words);
  settle_environment(argv);
  start_logging(argv[0]);
  if (FLAGS_threads < 0) throw Error(ErrorCode::kUsage, "--threads must not be negative");
  start_compute_threads(FLAGS_threads);
  Session session;
  session.overrides = arguments.overrides;
  session.operands.assign(arguments.words.begin() + 1, arguments.words.end());
  add_sink(session);
  const auto engines = make_engines(FLAGS_engines);
  for (const auto& engine : engines) session.context.engines.push_back(engine.get());
  session.context.reporter = &session.reporter;
  session.context.plan_skip = skipped_passes();
  try {
    return verb.run(session);
  } catch (const ErrorList& errors) {
    session.reporter.emit(report::Failed{static_cast<int>(errors.code()), errors.what()});
    throw;
  } catch (const Error& error) {
    session.reporter.emit(report::Failed{static_cast<int>(error.code), error.what()});
    throw;
  }
}

// Says what is wrong, on stderr and for scripts in the --json file.
int report_failure(const char* text, ErrorCode code) {
  std::fprintf(stderr, "%s\n", text);
  if (!FLAGS_json.empty()) {
    try {
      write_json({{"error", text}, {"exit_code", static_cast<int>(code)}});
    } catch (const Error& error) {
      std::fprintf(stderr, "%s\n", error.what());
    }
  }
  return static_cast<int>(code);
}

}  // namespace

int run(int argc, char** argv) {
  try {
    const Arguments arguments = parse_arguments(argc, argv);
    if (arguments.version) {
      std::puts("crema " CREMA_VERSION);
      return 0;
    }
    const bool asks =
        arguments.help || (arguments.words.size() == 1 && arguments.words[0] == "help");
    if (asks || argc == 1) {
      std::fputs(kUsage, asks ? stdout : stderr);
      return asks ? 0 : static_cast<int>(ErrorCode::kUsage);
    }
    return run_verb(arguments, argv);
  } catch (const ErrorList& errors) {
    return report_failure(errors.what(), errors.code());
  } catch (const Error& error) {
    return report_failure(error.what(), error.code);
  } catch (const std::bad_alloc&) {
    return report_failure("error: out of memory\n  hint: a smaller batch_size needs less",
                          ErrorCode::kInternal);
  } catch (const std::exception& bug) {
    return report_failure(bug.what(), ErrorCode::kInternal);
  }
}

}  // namespace crema::cli
