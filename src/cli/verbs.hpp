// The verbs, and what main gives to each.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/stop.hpp"
#include "config/config.hpp"
#include "train/trainer.hpp"

namespace crema::cli {

struct Session {
  train::Context context;
  report::Reporter reporter;
  std::vector<std::string> overrides;  // --set
  std::vector<std::string> operands;   // the words after the verb
  bool progress = false;               // a person watches a terminal
};

// Each returns the exit code.
int train(Session& session);
int test(Session& session);
int time(Session& session);
int explain(Session& session);
int find_lr(Session& session);
int plan(Session& session);
int mechanisms(Session& session);
int upgrade(Session& session);
int layers(Session& session);

// The solver of --solver with --set, --level and --stage applied.
config::SolverConfig load_solver(const char* verb, const Session& session);
// The same of another file.
config::SolverConfig load_solver_file(const std::string& path, const Session& session);
// The net of --model in this phase, with --level and --stage.
config::NetConfig load_model(const char* verb, caffe::Phase phase);
// --phase; TRAIN if empty.
caffe::Phase phase_flag();
// --format: text, csv or json. Error{kUsage}.
std::string format_flag();

// --precision; F32 if empty. Error{kUsage}, also where this processor is not to compute so.
ops::Precision precision_flag(const Session& session);

// --recompute and --memory_budget_mib; CHEAP if both are empty. Error{kUsage}, also from the net's
// plan where the budget cannot be kept.
plan::RecomputeOptions recompute_flags();

// --synthetic, --batch, --shape and --epoch_samples. Error{kUsage}.
train::InputOptions input_options(bool data_optional = false);

// A blob's numbers as one number or a list.
nlohmann::json to_json(const std::vector<report::Output>& outputs);
// {"files": [{"path", "loaded", "unused"}], "at_filler": [...], "blobs": [{"name", "how", ...}]}
nlohmann::json to_json(const report::WeightsLoaded& loaded);
// Writes --json if it was given, atomically.
void write_json(const nlohmann::json& metrics);

}  // namespace crema::cli
