// crema train: trains, fine-tunes or resumes what a solver file says.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "cli/flags.hpp"
#include "cli/verbs.hpp"
#include "report/sinks.hpp"

namespace crema::cli {

namespace {

Action action_flag(const char* flag, const std::string& value) {
  if (value == "stop") return Action::kStop;
  if (value == "snapshot") return Action::kSnapshot;
  if (value == "none") return Action::kNone;
  throw Error(ErrorCode::kUsage, fmt::format("--{}={} is unknown", flag, value))
      .advise("write stop, snapshot or none");
}

std::string snapshot_to_resume(const config::SolverConfig& solver, Session& session) {
  if (!FLAGS_resume) return FLAGS_snapshot;
  const std::string newest = train::newest_snapshot(solver.param.snapshot_prefix());
  if (newest.empty())
    session.reporter.info(fmt::format("--resume: no snapshot of '{}' yet, starting anew",
                                      solver.param.snapshot_prefix()));
  return newest;
}

nlohmann::json metrics_of(const train::TrainResult& result, train::Trainer& trainer) {
  nlohmann::json out{{"verb", "train"},
                     {"solver", FLAGS_solver},
                     {"iteration", result.iteration},
                     {"stopped_early", result.early},
                     {"loss", result.loss},
                     {"seconds", result.seconds},
                     {"seed", trainer.seed()},
                     {"weights", result.weights},
                     {"snapshot", result.state}};
  if (trainer.weights_loaded()) out["weights_loaded"] = to_json(*trainer.weights_loaded());
  for (const report::Replanned& r : result.replans)
    out["replans"].push_back({{"iteration", r.iteration},
                              {"learning", r.learning},
                              {"frozen", r.frozen},
                              {"arena_bytes", r.arena_bytes},
                              {"state_bytes", r.state_bytes}});
  out["arena_bytes"] = trainer.net().session().arena_bytes();
  out["gradient_bytes"] = trainer.net().params().gradient_bytes();
  out["tests"] = nlohmann::json::array();
  for (const train::TestResult& test : result.tests) {
    nlohmann::json entry{
        {"iteration", test.iteration}, {"net", test.net}, {"outputs", to_json(test.outputs)}};
    if (test.loss) entry["loss"] = *test.loss;
    out["tests"].push_back(entry);
  }
  // The last pass again, where a script looks first.
  if (!result.tests.empty()) out["test"] = to_json(result.tests.back().outputs);
  return out;
}

void add_file_sinks(Session& session, bool resumed) {
  if (FLAGS_event_interval < 1)
    throw Error(ErrorCode::kUsage, "--event_interval must be at least 1");
  const report::FileSinkOptions options{resumed, FLAGS_event_interval};
  if (!FLAGS_events.empty()) session.reporter.add(report::make_jsonl(FLAGS_events, options));
  if (!FLAGS_tensorboard.empty())
    session.reporter.add(report::make_tensorboard(FLAGS_tensorboard, options));
}

}  // namespace

int train(Session& session) {
  if (!FLAGS_weights.empty() && (!FLAGS_snapshot.empty() || FLAGS_resume))
    throw Error(ErrorCode::kUsage, "--weights and --snapshot (or --resume) exclude each other")
        .advise("--snapshot goes on with a run; --weights starts a new one from given weights");
  if (!FLAGS_snapshot.empty() && FLAGS_resume)
    throw Error(ErrorCode::kUsage, "--snapshot and --resume exclude each other")
        .advise("--resume looks for the newest snapshot by itself");
  SignalActions signals(action_flag("sigint_effect", FLAGS_sigint_effect),
                        action_flag("sighup_effect", FLAGS_sighup_effect));
  const config::SolverConfig solver = load_solver("train", session);
  if (!FLAGS_gpu.empty()) session.reporter.warn("--gpu is ignored: crema computes on the CPU");
  train::TrainOptions options;
  options.snapshot = snapshot_to_resume(solver, session);
  options.signals = &signals;
  options.inputs = input_options();
  add_file_sinks(session, !options.snapshot.empty());
  if (solver.param.histogram_interval() > 0 && FLAGS_events.empty() && FLAGS_tensorboard.empty())
    session.reporter.warn(
        fmt::format("{}: histogram_interval is without effect: add --events=FILE "
                    "or --tensorboard=DIR",
                    solver.places.at("histogram_interval").text()));
  // With a snapshot the solver's own `weights` do not count either, as in Caffe.
  if (options.snapshot.empty()) options.weights = split(FLAGS_weights, ',');
  train::Trainer trainer(solver, std::move(options), session.context);
  session.reporter.info("Starting Optimization");
  const train::TrainResult result = trainer.run();
  write_json(metrics_of(result, trainer));
  return result.requeue ? static_cast<int>(ErrorCode::kRequeue) : 0;
}

}  // namespace crema::cli
