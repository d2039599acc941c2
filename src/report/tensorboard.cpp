#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/clock.hpp"
#include "base/files.hpp"
#include "proto/tfevents.pb.h"
#include "report/sinks.hpp"
#include "report/tfrecord.hpp"

namespace crema::report {

namespace {

constexpr const char* kPrefix = "events.out.tfevents.";

// TensorBoard reads the files of a folder in the order of their names, which begin with a time: a
// new file's is later than that of every file that is there.
int64_t name_time(const std::string& folder) {
  int64_t time = static_cast<int64_t>(unix_seconds());
  std::error_code status;
  for (const auto& entry : std::filesystem::directory_iterator(folder, status)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kPrefix)) continue;
    const std::string rest = name.substr(std::char_traits<char>::length(kPrefix));
    const std::string digits = rest.substr(0, rest.find('.'));
    if (digits.empty() || digits.size() > 10 ||
        digits.find_first_not_of("0123456789") != std::string::npos)
      continue;
    time = std::max(time, int64_t{std::stoll(digits)} + 1);
  }
  return time;
}

std::string file_in(const std::string& folder) {
  char host[256] = "localhost";
  ::gethostname(host, sizeof host - 1);
  return fmt::format("{}/{}{:010}.{}.{}", folder, kPrefix, name_time(folder), host, ::getpid());
}

class TensorBoard final : public Sink {
 public:
  TensorBoard(const std::string& folder, const FileSinkOptions& options)
      : options_(options), file_(file_in(folder)) {
    tfevents::Event first = at(0);
    first.set_file_version("brain.Event:2");
    write(first);
  }
  void on(const Event& event) override { std::visit(*this, event); }

  void operator()(const RunStarted& e) {
    // The point of the last update before a resume is the earlier run's and stays.
    tfevents::Event start = at(e.first_iteration > 0 ? e.first_iteration + 1 : 0);
    start.mutable_session_log()->set_status(tfevents::SessionLog::START);
    write(start);
    group_names_.clear();
    for (const RateGroup& group : e.groups) group_names_.push_back(group.name);
  }
  void operator()(const Iterated& e) {
    if (e.iteration % options_.interval != 0) return;
    tfevents::Event event = at(e.iteration);
    scalar(event, "train/loss", e.iteration_loss);
    scalar(event, "train/smoothed_loss", e.loss);
    scalar(event, "lr/policy", e.rate);
    for (size_t i = 0; i < e.group_rates.size(); ++i)
      scalar(event, "lr/" + group_names_.at(i), e.group_rates[i]);
    if (e.gradient_norm) {
      scalar(event, "train/gradient_norm", *e.gradient_norm);
      scalar(event, "train/clip_scale", e.clip_scale);
    }
    write(event);
  }
  void operator()(const WeightsLoaded&) const {}
  void operator()(const Replanned&) const {}
  void operator()(const Displayed& e) {
    tfevents::Event event = at(e.iteration);
    scalar(event, "train/iterations_per_second", e.iterations_per_second);
    outputs(event, "train_outputs", e.outputs);
    write(event);
  }
  void operator()(const Verified& e) {
    tfevents::Event event = at(e.iteration);
    for (const Verified::Param& p : e.params) {
      if (p.weight > 0) scalar(event, "update_ratio/" + p.name, p.update / p.weight);
      scalar(event, "gradient_norm/" + p.name, p.gradient);
      scalar(event, "weight_norm/" + p.name, p.weight);
    }
    for (const Verified::Group& g : e.groups) scalar(event, "realised_lr/" + g.name, g.realised);
    const auto wrong = [](const Verified::Param& p) {
      return p.verdict != "ok" && p.verdict != "unmeasured";
    };
    scalar(event, "verified/wrong",
           static_cast<double>(std::count_if(e.params.begin(), e.params.end(), wrong)));
    if (event.has_summary()) write(event);
  }
  void operator()(const Alarm&) const {}
  void operator()(const Histograms& e) {
    tfevents::Event event = at(e.iteration);
    histogram(event, "weights/" + e.param, e.weights);
    histogram(event, "gradients/" + e.param, e.gradient);
    histogram(event, "updates/" + e.param, e.update);
    if (event.has_summary()) write(event);
  }
  void operator()(const RateSet&) const {}
  void operator()(const RateStepped&) const {}
  void operator()(const Clipped&) const {}
  void operator()(const TestStarted&) const {}
  void operator()(const Tested& e) {
    const std::string group = e.net == 0 ? "test" : fmt::format("test_net_{}", e.net);
    tfevents::Event event = at(e.iteration);
    if (e.loss) scalar(event, group + "/total_loss", *e.loss);
    outputs(event, group, e.outputs);
    write(event);
  }
  void operator()(const Snapshotted&) const {}
  void operator()(const FinalLoss&) const {}
  void operator()(const RunEnded&) const {}
  void operator()(const Failed&) const {}
  void operator()(const DebugValue&) const {}
  void operator()(const DebugNorms&) const {}
  void operator()(const Message&) const {}

 private:
  static tfevents::Event at(int64_t step) {
    tfevents::Event event;
    event.set_wall_time(unix_seconds());
    event.set_step(step);
    return event;
  }
  static void scalar(tfevents::Event& event, const std::string& tag, double value) {
    tfevents::Summary::Value& entry = *event.mutable_summary()->add_value();
    entry.set_tag(tag);
    entry.set_simple_value(static_cast<float>(value));
  }
  static void histogram(tfevents::Event& event, const std::string& tag, const Histogram& h) {
    if (h.count == 0) return;
    tfevents::Summary::Value& entry = *event.mutable_summary()->add_value();
    entry.set_tag(tag);
    tfevents::HistogramProto& histo = *entry.mutable_histo();
    histo.set_min(h.min);
    histo.set_max(h.max);
    histo.set_num(static_cast<double>(h.count));
    histo.set_sum(h.sum);
    histo.set_sum_squares(h.sum_squares);
    for (size_t i = 0; i < h.limits.size(); ++i) {
      histo.add_bucket_limit(h.limits[i]);
      histo.add_bucket(static_cast<double>(h.counts[i]));
    }
  }
  static void outputs(tfevents::Event& event, const std::string& group,
                      const std::vector<Output>& list) {
    for (const Output& output : list)
      for (size_t i = 0; i < output.values.size(); ++i)
        scalar(event,
               output.values.size() == 1 ? fmt::format("{}/{}", group, output.name)
                                         : fmt::format("{}/{}/{}", group, output.name, i),
               output.values[i]);
  }
  void write(const tfevents::Event& event) { file_.write(tfrecord(event.SerializeAsString())); }

  FileSinkOptions options_;
  AppendFile file_;
  std::vector<std::string> group_names_;
};

}  // namespace

std::unique_ptr<Sink> make_tensorboard(const std::string& folder, const FileSinkOptions& options) {
  return std::make_unique<TensorBoard>(folder, options);
}

}  // namespace crema::report
