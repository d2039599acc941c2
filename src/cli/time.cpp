// crema time: where an iteration's time goes, layer by layer.
#include <fmt/format.h>

#include "base/clock.hpp"
#include "cli/flags.hpp"
#include "cli/verbs.hpp"

namespace crema::cli {

namespace {

// Sums the time of each step by layer and direction.
class LayerTimes {
 public:
  explicit LayerTimes(const plan::Plan& plan)
      : plan_(plan), forward(plan.graph->layers.size()), backward(plan.graph->layers.size()) {}
  void start() { watch_.restart(); }
  void step(int index) {
    const double seconds = watch_.seconds();
    const int layer = plan_.steps[static_cast<size_t>(index)].layer;
    double& slot = layer == plan::kNone          ? other
                   : index < plan_.forward_steps ? forward[static_cast<size_t>(layer)]
                                                 : backward[static_cast<size_t>(layer)];
    slot += seconds;
    watch_.restart();
  }

 private:
  const plan::Plan& plan_;
  Stopwatch watch_;

 public:
  std::vector<double> forward, backward;
  double other = 0;
};

double milliseconds(double seconds, int iterations) {
  return seconds * 1e3 / iterations;
}

}  // namespace

int time(Session& session) {
  if (FLAGS_iterations < 1) throw Error(ErrorCode::kUsage, "--iterations must be at least 1");
  const caffe::Phase phase = phase_flag();
  train::NetOptions options;
  options.training = phase == caffe::TRAIN;
  train::Net net(load_model("time", phase), options, session.context);
  net.initialise(0);
  net.feed_synthetic(0);
  exec::Executor& run = net.executor();
  report::Reporter& say = session.reporter;
  const auto pass = [&](int64_t i) {
    net.feed(i);
    return run.forward({0, i, i});
  };
  say.info("Performing Forward");
  say.info(fmt::format("Initial loss: {:g}", pass(0)));
  say.info("Performing Backward");
  run.backward({0, 0, 0});

  say.info("*** Benchmark begins ***");
  say.info(fmt::format("Testing for {} iterations.", FLAGS_iterations));
  LayerTimes times(run.plan());
  run.observer = [&](int step) { times.step(step); };
  double forward = 0, backward = 0;
  const Stopwatch total;
  for (int i = 1; i <= FLAGS_iterations; ++i) {
    net.feed(i);
    Stopwatch watch;
    times.start();
    run.forward({0, i, i});
    const double f = watch.seconds();
    watch.restart();
    times.start();
    run.backward({0, i, i});
    const double b = watch.seconds();
    forward += f;
    backward += b;
    if (!session.progress)
      say.info(fmt::format("Iteration: {} forward-backward time: {:g} ms.", i, (f + b) * 1e3));
  }
  const double all = total.seconds();
  const int n = FLAGS_iterations;
  say.info("Average time per layer: ");
  for (size_t l = 0; l < net.graph().layers.size(); ++l) {
    const std::string& name = net.graph().layers[l].name;
    say.info(fmt::format("{:>10}\tforward: {:g} ms.", name, milliseconds(times.forward[l], n)));
    say.info(fmt::format("{:>10}\tbackward: {:g} ms.", name, milliseconds(times.backward[l], n)));
  }
  say.info(fmt::format("Average Forward pass: {:g} ms.", milliseconds(forward, n)));
  say.info(fmt::format("Average Backward pass: {:g} ms.", milliseconds(backward, n)));
  say.info(fmt::format("Average Forward-Backward: {:g} ms.", milliseconds(forward + backward, n)));
  say.info(fmt::format("Total Time: {:g} ms.", all * 1e3));
  say.info("*** Benchmark ends ***");
  return 0;
}

}  // namespace crema::cli
