#include <nlohmann/json.hpp>

#include "base/clock.hpp"
#include "base/files.hpp"
#include "report/sinks.hpp"

namespace crema::report {

namespace {

using Json = nlohmann::ordered_json;

// Raised when a field changes its meaning or goes; new fields and events do not count.
constexpr int kSchema = 1;

Json outputs_json(const std::vector<Output>& outputs) {
  Json out = Json::object();
  for (const Output& output : outputs) {
    if (output.values.size() == 1)
      out[output.name] = output.values[0];
    else
      out[output.name] = output.values;
  }
  return out;
}

std::string debug_kind(DebugValue::Kind kind) {
  switch (kind) {
    case DebugValue::kTopData:
      return "top";
    case DebugValue::kParamData:
      return "param";
    case DebugValue::kBottomDiff:
      return "bottom_diff";
    case DebugValue::kParamDiff:
      return "param_diff";
  }
  return {};
}

Json histogram_json(const Histogram& h) {
  return {{"min", h.min},       {"max", h.max},
          {"sum", h.sum},       {"sum_squares", h.sum_squares},
          {"count", h.count},   {"non_finite", h.non_finite},
          {"limits", h.limits}, {"counts", h.counts}};
}

class Jsonl final : public Sink {
 public:
  Jsonl(const std::string& path, const FileSinkOptions& options) : options_(options), file_(path) {}
  void on(const Event& event) override { std::visit(*this, event); }

  void operator()(const RunStarted& e) {
    begin_file(e);
    Json groups = Json::array();
    for (const RateGroup& group : e.groups) {
      group_names_.push_back(group.name);
      groups.push_back({{"name", group.name}, {"parameters", group.parameters}});
    }
    Json line = begin("run", e.first_iteration);
    line["net"] = e.net;
    line["optimizer"] = e.solver_type;
    line["lr_policy"] = e.lr_policy;
    line["max_iter"] = e.max_iter;
    line["batch_size"] = e.batch_size;
    line["iterations_per_epoch"] = e.iterations_per_epoch;
    line["learnable"] = e.parameters;
    line["threads"] = e.threads;
    line["seed"] = e.seed;
    line["groups"] = std::move(groups);
    write(line);
    for (const Message& message : early_) (*this)(message);
    early_.clear();
    if (loaded_) write_loaded(*loaded_);
    loaded_.reset();
  }
  void operator()(const WeightsLoaded& e) { loaded_ = e; }  // before the run begins
  void operator()(const Replanned& e) {
    Json line = begin("replan", e.iteration);
    line["learning"] = e.learning;
    line["frozen"] = e.frozen;
    line["arena_bytes"] = e.arena_bytes;
    line["state_bytes"] = e.state_bytes;
    line["seconds"] = e.seconds;
    write(line);
  }
  void operator()(const Iterated& e) {
    if (e.iteration % options_.interval != 0) return;
    Json line = begin("train", e.iteration);
    line["loss"] = e.iteration_loss;
    line["smoothed_loss"] = e.loss;
    line["lr"] = e.rate;
    Json rates = Json::object();
    for (size_t i = 0; i < e.group_rates.size(); ++i) rates[group_names_.at(i)] = e.group_rates[i];
    line["group_lr"] = std::move(rates);
    if (e.gradient_norm) {
      line["gradient_norm"] = *e.gradient_norm;
      line["clip_scale"] = e.clip_scale;
    }
    write(line);
  }
  void operator()(const Displayed& e) {
    Json line = begin("display", e.iteration);
    line["smoothed_loss"] = e.loss;
    line["iterations_per_second"] = e.iterations_per_second;
    line["outputs"] = outputs_json(e.outputs);
    write(line);
  }
  void operator()(const Verified& e) {
    Json line = begin("verified", e.iteration);
    Json params = Json::object(), groups = Json::object();
    for (const Verified::Param& p : e.params) {
      Json entry{{"verdict", p.verdict},
                 {"lr", p.rate},
                 {"weight_norm", p.weight},
                 {"gradient_norm", p.gradient},
                 {"update_norm", p.update}};
      if (p.weight > 0) entry["update_ratio"] = p.update / p.weight;
      if (p.realised) entry["realised_lr"] = *p.realised;
      params[p.name] = std::move(entry);
    }
    for (const Verified::Group& g : e.groups)
      groups[g.name] = {{"lr", g.rate}, {"realised_lr", g.realised}};
    line["parameters"] = std::move(params);
    line["groups"] = std::move(groups);
    write(line);
  }
  void operator()(const Alarm& e) {
    Json line = begin("alarm", e.iteration);
    line["kind"] = e.kind;
    line["parameters"] = e.params;
    line["text"] = e.text;
    write(line);
  }
  void operator()(const Histograms& e) {
    Json line = begin("histograms", e.iteration);
    line["parameter"] = e.param;
    line["weights"] = histogram_json(e.weights);
    line["gradient"] = histogram_json(e.gradient);
    line["update"] = histogram_json(e.update);
    write(line);
  }
  void operator()(const RateSet&) const {}  // in every "train" line
  void operator()(const RateStepped& e) {
    Json line = begin("lr_step", e.iteration);
    line["step"] = e.step;
    write(line);
  }
  void operator()(const Clipped&) const {}  // in every "train" line
  void operator()(const TestStarted&) const {}
  void operator()(const Tested& e) {
    Json line = begin("test", e.iteration);
    line["net"] = e.net;
    if (e.loss) line["loss"] = *e.loss;
    line["outputs"] = outputs_json(e.outputs);
    line["seconds"] = e.seconds;
    write(line);
  }
  void operator()(const Snapshotted& e) {
    Json line = begin("snapshot", e.iteration);
    line["weights"] = e.weights;
    line["state"] = e.state;
    write(line);
  }
  void operator()(const FinalLoss& e) {
    Json line = begin("final_loss", e.iteration);
    line["smoothed_loss"] = e.loss;
    write(line);
  }
  void operator()(const RunEnded& e) {
    Json line = begin("end", e.iteration);
    line["early"] = e.early;
    line["seconds"] = e.seconds;
    write(line);
  }
  void operator()(const Failed& e) {
    if (!iteration_) return;  // what was wrong was found before the run: the file is another run's
    Json line = begin("failed", *iteration_);
    line["exit_code"] = e.exit_code;
    line["text"] = e.text;
    write(line);
  }
  void operator()(const DebugValue& e) {
    if (!iteration_) return;  // of a verb that trains nothing
    Json line = begin("debug", *iteration_);
    line["kind"] = debug_kind(e.kind);
    line["layer"] = e.layer;
    line["blob"] = e.blob;
    line["mean_abs"] = e.value;
    write(line);
  }
  void operator()(const DebugNorms& e) {
    if (!iteration_) return;
    Json line = begin("debug_norms", *iteration_);
    line["data"] = {{"l1", e.data_l1}, {"l2", e.data_l2}};
    line["diff"] = {{"l1", e.diff_l1}, {"l2", e.diff_l2}};
    write(line);
  }
  void operator()(const Message& e) {
    if (!iteration_) return early_.push_back(e);
    Json line = begin("message", *iteration_);
    line["severity"] = e.severity == Message::Severity::kWarning ? "warning" : "info";
    line["text"] = e.text;
    write(line);
  }

 private:
  // Only now: a run that could not begin must not cost an earlier one its file.
  void begin_file(const RunStarted& e) {
    iteration_ = e.first_iteration;
    iterations_per_epoch_ = e.iterations_per_epoch;
    if (options_.resumed)
      file_.drop_unfinished_line();
    else
      file_.clear();
    group_names_.clear();
  }
  void write_loaded(const WeightsLoaded& e) {
    Json line = begin("weights", *iteration_);
    line["at_filler"] = e.at_filler;
    line["blobs"] = Json::array();
    for (const WeightsLoaded::Blob& blob : e.blobs)
      line["blobs"].push_back({{"name", blob.name},
                               {"how", blob.how},
                               {"file", blob.file},
                               {"from", blob.from},
                               {"norm", blob.norm}});
    write(line);
  }
  Json begin(const char* event, int64_t iteration) {
    iteration_ = iteration;
    Json line{{"v", kSchema}, {"event", event}, {"wall", unix_seconds()}, {"iteration", iteration}};
    if (iterations_per_epoch_ > 0)
      line["epoch"] = static_cast<double>(iteration) / iterations_per_epoch_;
    return line;
  }
  // Numbers that are not finite become null; text that is not UTF-8 keeps a replacement character.
  void write(const Json& line) {
    file_.write(line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
  }

  FileSinkOptions options_;
  AppendFile file_;
  std::vector<std::string> group_names_;
  double iterations_per_epoch_ = 0;
  std::optional<int64_t> iteration_;  // of the last line; unset before the run
  std::vector<Message> early_;        // what was said before the run began
  std::optional<WeightsLoaded> loaded_;
};

}  // namespace

std::unique_ptr<Sink> make_jsonl(const std::string& path, const FileSinkOptions& options) {
  return std::make_unique<Jsonl>(path, options);
}

}  // namespace crema::report
