// crema time: where an iteration's time goes, op by op and layer by layer.
#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "base/clock.hpp"
#include "base/parallel.hpp"
#include "cli/flags.hpp"
#include "cli/timing.hpp"
#include "cli/verbs.hpp"

namespace crema::cli {

namespace {

// Medians are of the first so many iterations; more would only cost memory.
constexpr size_t kMostSamples = 1000;
// Updates are made at a rate that leaves the numbers as they are; the work is the same.
constexpr float kRate = 1e-9f;

// The times of every step of the plans.
class StepTimes {
 public:
  void start() {
    watch_.restart();
    before_pause_ = 0;
  }
  // Around what is done between and within steps.
  void pause() { before_pause_ += watch_.seconds(); }
  void resume() { watch_.restart(); }
  void step(const plan::Plan& plan, int index) {
    auto& steps = samples_[&plan];
    steps.resize(plan.steps.size());
    std::vector<double>& samples = steps[static_cast<size_t>(index)];
    if (samples.size() < kMostSamples) samples.push_back((before_pause_ + watch_.seconds()) * 1e3);
    start();
  }
  Spread of(const plan::Plan& plan, size_t step) const {
    return spread_of(samples_.at(&plan).at(step));
  }

 private:
  Stopwatch watch_;
  double before_pause_ = 0;
  std::map<const plan::Plan*, std::vector<std::vector<double>>> samples_;
};

struct Measured {
  StepTimes steps;
  std::vector<double> forward, backward, update;  // ms per iteration
};

double traffic(const plan::Plan& plan, const plan::Step& step) {
  if (step.parts_in_place) return 0;
  double bytes = 0;
  for (const auto* list : {&step.src, &step.dst, &step.diff_dst, &step.diff_src})
    for (const int id : *list)
      if (id != plan::kNone) bytes += static_cast<double>(plan.tensors[id].desc.bytes());
  return bytes;
}

void add(TimingRow& sum, const TimingRow& row) {
  sum.ms.median += row.ms.median;
  sum.ms.mean += row.ms.mean;
  sum.ms.min += row.ms.min;
  sum.flops += row.flops;
  sum.bytes += row.bytes;
}

using LayerSums = std::vector<std::array<TimingRow, 2>>;  // per layer: forward, backward

void describe_steps(const plan::Plan& plan, const StepTimes& times, TimingReport& report,
                    LayerSums& sums) {
  const auto& layers = plan.graph->layers;
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const plan::Step& step = plan.steps[i];
    const bool forward = static_cast<int>(i) < plan.forward_steps;
    TimingRow row;
    row.kind = plan::operation_text(plan, step);
    row.pass = forward ? "forward" : "backward";
    row.engine = step.engine;
    row.implementation = step.implementation;
    row.ms = times.of(plan, i);
    row.flops = step.flops;
    row.bytes = traffic(plan, step);
    if (step.layer != plan::kNone) {
      const graph::LayerInfo& layer = layers[static_cast<size_t>(step.layer)];
      row.layer = layer.name;
      TimingRow& sum = sums[static_cast<size_t>(step.layer)][forward ? 0 : 1];
      sum.layer = layer.name;
      sum.kind = layer.type;
      sum.pass = row.pass;
      add(sum, row);
    }
    report.ops.push_back(std::move(row));
  }
}

// Rows of all steps, and of the layers as their sums.
void describe_steps(const train::Net& net, const StepTimes& times, TimingReport& report) {
  LayerSums sums(net.graph().layers.size());
  for (const plan::Plan* plan : net.session().plans()) describe_steps(*plan, times, report, sums);
  for (const auto& pair : sums)
    for (const TimingRow& row : pair)
      if (!row.pass.empty()) report.layers.push_back(row);
}

std::vector<double> sum_of(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> out(a);
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) out[i] += b[i];
  return out;
}

void describe_totals(const Measured& measured, const optim::Optimizer* optimizer,
                     const std::string& rule, TimingReport& report) {
  TimingRow forward, backward, update;
  for (const TimingRow& row : report.ops) add(row.pass == "forward" ? forward : backward, row);
  const auto emit = [&](TimingRow row, const char* pass, const std::vector<double>& ms) {
    row.pass = pass;
    row.ms = spread_of(ms);
    report.totals.push_back(row);
  };
  emit(forward, "forward", measured.forward);
  if (report.phase != "TRAIN") return;
  emit(backward, "backward", measured.backward);
  const std::vector<double> passes = sum_of(measured.forward, measured.backward);
  TimingRow both = forward;
  add(both, backward);
  emit(both, "forward-backward", passes);
  // Values and slots are read and written, gradients read.
  for (size_t p = 0; p < optimizer->params().size(); ++p)
    update.bytes += static_cast<double>(optimizer->params()[p].value.size() * sizeof(float) *
                                        (3 + 2 * optimizer->slot_names(p).size()));
  update.kind = rule;
  emit(update, "update", measured.update);
  update.kind.clear();
  add(both, update);
  emit(both, "iteration", sum_of(passes, measured.update));
}

void describe_memory(const train::Net& net, const optim::Optimizer* optimizer,
                     TimingReport& report) {
  for (const plan::Plan* plan : net.session().plans()) {
    for (const plan::Buffer& buffer : plan->buffers) {
      if (buffer.storage == plan::Storage::kParamValue) report.weights += buffer.bytes;
      if (buffer.storage == plan::Storage::kParamGradient) report.gradients += buffer.bytes;
      if (buffer.storage == plan::Storage::kInput) report.inputs += buffer.bytes;
    }
    report.arena += plan->arena_bytes;
    report.scratch = std::max(report.scratch, plan->scratch_bytes);
  }
  if (optimizer)
    for (size_t p = 0; p < optimizer->params().size(); ++p)
      report.optimizer +=
          optimizer->params()[p].value.size() * sizeof(float) * optimizer->slot_names(p).size();
  report.peak_resident = peak_memory();
}

// Caffe's lines around the measurement.
Measured run(train::Net& net, optim::Optimizer* optimizer, bool backward, Session& session) {
  exec::Session& passes = net.session();
  report::Reporter& say = session.reporter;
  Measured out;
  double on_the_way = 0;  // ms of updates during the backward pass
  passes.gradient_ready = [&](const exec::ReadyGradient& ready) {
    out.steps.pause();
    const Stopwatch watch;
    optimizer->step(ready.param, {static_cast<const float*>(ready.data), ready.count}, ready.first);
    on_the_way += watch.seconds() * 1e3;
    out.steps.resume();
  };
  net.feed(0);
  say.info("Performing Forward");
  say.info(fmt::format("Initial loss: {:g}", passes.forward({0, 0, 0})));
  if (backward) {
    say.info("Performing Backward");
    optimizer->begin(0);
    passes.backward({0, 0, 0});
    optimizer->finish();
    net.params().changed();
  }
  say.info("*** Benchmark begins ***");
  say.info(fmt::format("Testing for {} iterations.", FLAGS_iterations));
  passes.observer = [&](const plan::Plan& plan, int step) { out.steps.step(plan, step); };
  Stopwatch watch;
  const auto lap = [&](std::vector<double>& into, auto&& work) {
    watch.restart();
    out.steps.start();
    work();
    into.push_back(watch.seconds() * 1e3);
  };
  for (int i = 1; i <= FLAGS_iterations; ++i) {
    net.feed(i);
    lap(out.forward, [&] { passes.forward({0, i, i}); });
    double both = out.forward.back();
    if (backward) {
      on_the_way = 0;
      optimizer->begin(i);
      lap(out.backward, [&] { passes.backward({0, i, i}); });
      both += out.backward.back() -= on_the_way;
      lap(out.update, [&] { optimizer->finish(); });
      out.update.back() += on_the_way;
      net.params().changed();
    }
    if (!session.progress)
      say.info(fmt::format("Iteration: {} forward-backward time: {:g} ms.", i, both));
  }
  passes.observer = nullptr;
  passes.gradient_ready = nullptr;
  return out;
}

void say_summary(const TimingReport& report, const graph::Graph& graph, double seconds,
                 report::Reporter& say) {
  const auto mean = [&](const std::vector<TimingRow>& rows, const std::string& layer,
                        const char* pass) {
    double ms = 0;
    for (const TimingRow& row : rows)
      if (row.layer == layer && row.pass == pass) ms += row.ms.mean;
    return ms;
  };
  say.info("Average time per layer: ");
  for (const graph::LayerInfo& layer : graph.layers)
    for (const char* pass : {"forward", "backward"})
      say.info(fmt::format("{:>10}\t{}: {:g} ms.", layer.name, pass,
                           mean(report.layers, layer.name, pass)));
  const double forward = mean(report.totals, "", "forward");
  const double backward = mean(report.totals, "", "backward");
  say.info(fmt::format("Average Forward pass: {:g} ms.", forward));
  say.info(fmt::format("Average Backward pass: {:g} ms.", backward));
  say.info(fmt::format("Average Forward-Backward: {:g} ms.", forward + backward));
  say.info(fmt::format("Total Time: {:g} ms.", seconds * 1e3));
  say.info("*** Benchmark ends ***");
}

// Measures, and writes the report in every way that was asked for.
void time_net(train::Net& net, optim::Optimizer* optimizer, const std::string& rule,
              TimingReport report, Session& session) {
  const Stopwatch watch;
  const Measured measured = run(net, optimizer, report.phase == "TRAIN", session);
  const double seconds = watch.seconds();
  report.net = net.graph().name;
  report.batch = net.batch_size();
  const bool rounded = net.session().plans().front()->precision != ops::Precision::kF32;
  report.precision = rounded ? "bf16" : "f32";
  describe_steps(net, measured.steps, report);
  describe_totals(measured, optimizer, rule, report);
  describe_memory(net, optimizer, report);
  say_summary(report, net.graph(), seconds, session.reporter);
  report.limits = measure_limits();  // last: it has memory of its own
  if (!FLAGS_compare.empty()) compare_timing(report, FLAGS_compare);
  const std::string text = FLAGS_format == "json"  ? timing_json(report).dump(2) + "\n"
                           : FLAGS_format == "csv" ? timing_csv(report)
                                                   : timing_text(report);
  std::fputs(text.c_str(), stdout);
  write_json(timing_json(report));
}

// The solver whose updates are timed: --solver's, else SGD with momentum.
config::SolverConfig timed_solver(const Session& session) {
  config::SolverConfig solver;
  if (!FLAGS_solver.empty()) {
    solver = load_solver("time", session);
  } else {
    solver.train_net = load_model("time", caffe::TRAIN);
    solver.param.set_lr_policy("fixed");
    solver.param.set_momentum(0.9f);
    solver.param.set_weight_decay(0.0005f);
  }
  solver.test_nets.clear();
  solver.param.clear_weights();
  solver.param.set_base_lr(kRate);
  solver.param.set_iter_size(1);
  solver.param.set_snapshot(0);
  solver.param.set_random_seed(0);
  return solver;
}

void check_flags(const Session& session) {
  if (FLAGS_iterations < 1) throw Error(ErrorCode::kUsage, "--iterations must be at least 1");
  format_flag();
  if (!FLAGS_solver.empty() && !FLAGS_model.empty())
    throw Error(ErrorCode::kUsage, "--solver and --model exclude each other")
        .advise("a solver names its net; --model alone is timed with SGD and momentum");
  if (!FLAGS_solver.empty() && phase_flag() == caffe::TEST)
    throw Error(ErrorCode::kUsage, "--phase=TEST updates nothing: it needs no --solver")
        .advise("name the net with --model");
  if (recompute_flags().mode != plan::Recompute::kCheap && phase_flag() == caffe::TEST)
    throw Error(ErrorCode::kUsage,
                "--recompute is about the backward pass, which --phase=TEST has not")
        .advise("leave one of them out");
  if (!session.overrides.empty() && FLAGS_solver.empty())
    throw Error(ErrorCode::kUsage, "--set changes solver fields; there is no --solver");
}

}  // namespace

int time(Session& session) {
  check_flags(session);
  if (!FLAGS_compare.empty()) {
    TimingReport none;
    compare_timing(none, FLAGS_compare);  // its mistakes are told before the measurement
  }
  TimingReport report;
  report.model = FLAGS_solver.empty() ? FLAGS_model : FLAGS_solver;
  report.phase = phase_flag() == caffe::TRAIN ? "TRAIN" : "TEST";
  report.threads = compute_threads();
  report.iterations = FLAGS_iterations;
  report.processor = processor_name();
  train::InputOptions inputs = input_options();
  inputs.fill = true;
  report.synthetic = inputs.synthetic;
  if (phase_flag() == caffe::TRAIN) {
    const config::SolverConfig solver = timed_solver(session);
    train::TrainOptions options;
    options.inputs = inputs;
    if (!FLAGS_precision.empty()) options.precision = precision_flag(session);
    if (FLAGS_solver.empty() || !FLAGS_recompute.empty()) options.recompute = recompute_flags();
    train::Trainer trainer(solver, std::move(options), session.context);
    time_net(trainer.net(), &trainer.optimizer(), trainer.solver_type(), std::move(report),
             session);
  } else {
    train::NetOptions options;
    options.inputs = inputs;
    options.precision = precision_flag(session);
    train::Net net(load_model("time", caffe::TEST), options, session.context);
    net.initialise(0);
    net.feed_synthetic(0);
    time_net(net, nullptr, "", std::move(report), session);
  }
  return 0;
}

}  // namespace crema::cli
