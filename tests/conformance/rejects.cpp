// rejects/<name>: definitions that must be refused at set-up, with a place.
#include <fmt/format.h>

#include "optim/optimizer.hpp"
#include "suite.hpp"
#include "train/trainer.hpp"

namespace crema::conformance {

namespace {

// Refused by BVLC, accepted by crema on purpose.
const std::map<std::string, std::string>& accepted_by_choice() {
  static const std::map<std::string, std::string> table{
      {"batchnorm_lr", "statistics are state; a multiplier on them is noted, never a crash"},
  };
  return table;
}

void build(const std::string& path, const std::string& kind, const plan::Engines& engines) {
  report::Reporter quiet;
  train::Context context;
  context.engines = engines;
  context.reporter = &quiet;
  if (kind == "solver") {
    const config::SolverConfig solver = config::read_solver(path);
    optim::Optimizer(solver, {});
    train::Trainer(solver, {}, context);
    return;
  }
  const config::NetConfig net = config::with_state(config::read_net(path), caffe::TRAIN, 0, {});
  skip_unknown_types(config::filter(net));
  train::NetOptions options;
  options.training = true;
  train::Net(net, options, context);
}

}  // namespace

std::string run_reject_case(const std::filesystem::path& prototxt, const std::string& kind,
                            const plan::Engines& engines) {
  const bool accepted = accepted_by_choice().contains(prototxt.stem().string());
  const auto located = [](const Error& error) {
    return error.location.known() && error.location.line > 0;
  };
  try {
    build(prototxt.filename().string(), kind, engines);
  } catch (const Error& error) {
    if (accepted) return "refused, though crema accepts it by choice: " + error.report();
    return located(error) ? "" : "refused without a place: " + error.report();
  } catch (const ErrorList& list) {
    for (const Error& error : list.errors())
      if (!located(error)) return "refused without a place: " + error.report();
    return "";
  }
  return accepted ? "" : "accepted";
}

}  // namespace crema::conformance
