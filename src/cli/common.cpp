#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/files.hpp"
#include "base/text.hpp"
#include "cli/flags.hpp"
#include "cli/verbs.hpp"

namespace crema::cli {

config::SolverConfig load_solver(const char* verb, const Session& session) {
  config::SolverConfig solver =
      config::read_solver(required(verb, "solver", FLAGS_solver), session.overrides);
  caffe::NetState& state = *solver.train_net.header.mutable_state();
  if (FLAGS_level != 0) state.set_level(FLAGS_level);
  for (const std::string& stage : split(FLAGS_stage, ',')) state.add_stage(stage);
  return solver;
}

config::NetConfig load_model(const char* verb, caffe::Phase phase) {
  return config::with_state(config::read_net(required(verb, "model", FLAGS_model)), phase,
                            FLAGS_level, split(FLAGS_stage, ','));
}

caffe::Phase phase_flag() {
  if (FLAGS_phase.empty() || FLAGS_phase == "TRAIN") return caffe::TRAIN;
  if (FLAGS_phase == "TEST") return caffe::TEST;
  throw Error(ErrorCode::kUsage, fmt::format("--phase={} is no phase", FLAGS_phase))
      .advise("write TRAIN or TEST");
}

nlohmann::json to_json(const std::vector<report::Output>& outputs) {
  nlohmann::json out = nlohmann::json::object();
  for (const report::Output& output : outputs) {
    if (output.values.size() == 1)
      out[output.name] = output.values[0];
    else
      out[output.name] = output.values;
  }
  return out;
}

void write_json(const nlohmann::json& metrics) {
  if (!FLAGS_json.empty()) write_file_atomically(FLAGS_json, metrics.dump(2) + "\n");
}

}  // namespace crema::cli
