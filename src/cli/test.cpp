// crema test: scores of a net with given weights.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "cli/flags.hpp"
#include "cli/verbs.hpp"

namespace crema::cli {

namespace {

// Caffe's `test` names every number of every output blob on its own line.
void say_batch(Session& session, int batch, const std::vector<report::Output>& outputs) {
  if (session.progress) return;
  for (const report::Output& output : outputs)
    for (const double value : output.values)
      session.reporter.info(fmt::format("Batch {}, {} = {:g}", batch, output.name, value));
}

void say_means(Session& session, double loss, const std::vector<report::Output>& means) {
  session.reporter.info(fmt::format("Loss: {:g}", loss));
  for (const report::Output& output : means)
    for (const double value : output.values)
      session.reporter.info(output.loss_weight == 0
                                ? fmt::format("{} = {:g}", output.name, value)
                                : fmt::format("{} = {:g} (* {:g} = {:g} loss)", output.name, value,
                                              output.loss_weight, output.loss_weight * value));
}

}  // namespace

int test(Session& session) {
  const config::NetConfig model = load_model("test", caffe::TEST);
  required("test", "weights", FLAGS_weights);
  if (FLAGS_iterations < 1) throw Error(ErrorCode::kUsage, "--iterations must be at least 1");
  if (!session.overrides.empty())
    throw Error(ErrorCode::kUsage, "--set changes solver fields; crema test has no solver")
        .advise("edit the net definition");
  train::NetOptions options;
  options.inputs = input_options();
  options.precision = precision_flag(session);
  if (options.inputs.synthetic)
    throw Error(ErrorCode::kUsage, "crema test scores data, and --synthetic has none")
        .advise("crema time --phase=TEST --synthetic measures the speed");
  train::Net net(model, options, session.context);
  net.require_sources("test");
  net.initialise(0);
  std::vector<snapshot::WeightsFile> files;
  for (const std::string& path : split(FLAGS_weights, ','))
    files.push_back(snapshot::read_weights(path));
  const report::WeightsLoaded loaded = train::load_weights(files, net);
  session.reporter.emit(loaded);
  session.reporter.info(fmt::format("Running for {} iterations.", FLAGS_iterations));
  const int batches = FLAGS_iterations;
  double loss = 0;
  std::vector<report::Output> sums;
  for (int b = 0; b < batches; ++b) {
    net.feed(b);
    loss += net.forward({0, 0, b}, model.header.debug_info() ? &session.reporter : nullptr);
    const std::vector<report::Output> outputs = net.outputs();
    say_batch(session, b, outputs);
    train::accumulate(sums, outputs);
  }
  for (report::Output& output : sums)
    for (double& value : output.values) value /= batches;
  say_means(session, loss / batches, sums);
  write_json({{"verb", "test"},
              {"model", FLAGS_model},
              {"weights", FLAGS_weights},
              {"iterations", batches},
              {"loss", loss / batches},
              {"weights_loaded", to_json(loaded)},
              {"test", to_json(sums)}});
  return 0;
}

}  // namespace crema::cli
