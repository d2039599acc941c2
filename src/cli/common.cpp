#include <fmt/format.h>
#include <gflags/gflags.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/files.hpp"
#include "base/text.hpp"
#include "cli/flags.hpp"
#include "cli/verbs.hpp"
#include "train/precision.hpp"
#include "train/recompute.hpp"

namespace crema::cli {

config::SolverConfig load_solver(const char* verb, const Session& session) {
  return load_solver_file(required(verb, "solver", FLAGS_solver), session);
}

config::SolverConfig load_solver_file(const std::string& path, const Session& session) {
  config::SolverConfig solver = config::read_solver(path, session.overrides);
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

ops::Precision precision_flag(const Session& session) {
  using Solver = caffe::SolverParameter;
  Solver::Precision wanted = Solver::F32;
  if (!FLAGS_precision.empty() && !Solver::Precision_Parse(FLAGS_precision, &wanted))
    throw Error(ErrorCode::kUsage, fmt::format("--precision={} is unknown", FLAGS_precision))
        .advise("write F32, BF16 or BF16_FORCED");
  return train::allowed_precision(wanted, ErrorCode::kUsage, {}, session.context);
}

plan::RecomputeOptions recompute_flags() {
  using Solver = caffe::SolverParameter;
  Solver::Recompute wanted = Solver::CHEAP;
  if (!FLAGS_recompute.empty() && !Solver::Recompute_Parse(FLAGS_recompute, &wanted))
    throw Error(ErrorCode::kUsage, fmt::format("--recompute={} is unknown", FLAGS_recompute))
        .advise("write NONE, CHEAP or AUTO");
  const bool given = !gflags::GetCommandLineFlagInfoOrDie("memory_budget_mib").is_default;
  if (wanted == Solver::AUTO && !given)
    throw Error(ErrorCode::kUsage, "--recompute=AUTO needs a budget")
        .advise("add --memory_budget_mib=N; crema plan --memory shows what is needed");
  if (wanted != Solver::AUTO && given)
    throw Error(ErrorCode::kUsage, "--memory_budget_mib is read with --recompute=AUTO only")
        .advise("add --recompute=AUTO, or leave the budget out");
  if (given && (!(FLAGS_memory_budget_mib > 0) || !std::isfinite(FLAGS_memory_budget_mib)))
    throw Error(ErrorCode::kUsage, fmt::format("--memory_budget_mib must be a number > 0, not {}",
                                               FLAGS_memory_budget_mib))
        .advise("it is in MiB; crema plan --memory shows what is needed");
  return train::recompute_options(wanted, FLAGS_memory_budget_mib, ErrorCode::kUsage, {});
}

std::string format_flag() {
  if (FLAGS_format != "text" && FLAGS_format != "csv" && FLAGS_format != "json")
    throw Error(ErrorCode::kUsage, fmt::format("--format={} is unknown", FLAGS_format))
        .advise("write text, csv or json");
  return FLAGS_format;
}

namespace {

[[noreturn]] void bad_shape(const std::string& entry) {
  throw Error(ErrorCode::kUsage, fmt::format("--shape: '{}' is no blob with a shape", entry))
      .advise("write the blob's name and the sizes of one sample: --shape=data:3x64x64,label:1");
}

std::pair<std::string, Shape> parse_shape(const std::string& entry) {
  constexpr int64_t kMostElements = std::numeric_limits<int32_t>::max();
  const size_t colon = entry.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == entry.size()) bad_shape(entry);
  Shape shape;
  const char *at = entry.data() + colon + 1, *end = entry.data() + entry.size();
  for (;;) {
    int64_t dim = 0;
    const auto [next, status] = std::from_chars(at, end, dim);
    if (status != std::errc() || dim < 1 || dim > kMostElements) bad_shape(entry);
    shape.append(dim);
    if (next == end) return {entry.substr(0, colon), shape};
    if (*next != 'x') bad_shape(entry);
    at = next + 1;
  }
}

}  // namespace

train::InputOptions input_options(bool data_optional) {
  train::InputOptions options;
  options.data_optional = data_optional;
  if (FLAGS_epoch_samples < 0)
    throw Error(ErrorCode::kUsage, "--epoch_samples must not be negative");
  options.epoch_samples = FLAGS_epoch_samples;
  options.synthetic = FLAGS_synthetic;
  if (FLAGS_batch < 0)
    throw Error(ErrorCode::kUsage, fmt::format("--batch={} is no batch size", FLAGS_batch))
        .advise("write a number from 1 on; 0 leaves what the definition says");
  options.batch = FLAGS_batch;
  for (const std::string& entry : split(FLAGS_shape, ',')) {
    const auto [name, shape] = parse_shape(entry);
    if (!options.shapes.emplace(name, shape).second)
      throw Error(ErrorCode::kUsage, fmt::format("--shape names the blob '{}' twice", name));
  }
  if (!options.shapes.empty() && !options.synthetic && !options.data_optional)
    throw Error(ErrorCode::kUsage, "--shape is for runs without data")
        .advise("add --synthetic; with data, their own shapes hold");
  return options;
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

nlohmann::json to_json(const report::WeightsLoaded& loaded) {
  nlohmann::json out{{"files", nlohmann::json::array()},
                     {"at_filler", loaded.at_filler},
                     {"blobs", nlohmann::json::array()}};
  for (const auto& file : loaded.files)
    out["files"].push_back({{"path", file.path}, {"loaded", file.loaded}, {"unused", file.unused}});
  for (const auto& blob : loaded.blobs) {
    nlohmann::json entry{
        {"name", blob.name}, {"shape", blob.shape}, {"how", blob.how}, {"norm", blob.norm}};
    if (!blob.from.empty()) {
      entry["file"] = blob.file;
      entry["from"] = blob.from;
      entry["stored_shape"] = blob.stored_shape;
    }
    out["blobs"].push_back(std::move(entry));
  }
  return out;
}

void write_json(const nlohmann::json& metrics) {
  if (!FLAGS_json.empty()) write_file_atomically(FLAGS_json, metrics.dump(2) + "\n");
}

}  // namespace crema::cli
