// rejects/<name>: definitions that must be refused at set-up, with a place.
#include <fmt/format.h>

#include "optim/optimizer.hpp"
#include "suite.hpp"
#include "train/net.hpp"

namespace crema::conformance {

namespace {

// Builds as training would. Not train::Trainer: these nets have Input layers, which it refuses
// whatever else is wrong. Returns the notes that the user would see.
std::vector<std::string> build(const config::NetConfig& net, const Mix& mix) {
  skip_unknown_types(config::filter(net));
  report::Reporter quiet;
  train::Context context;
  context.engines = mix.engines;
  context.plan_skip = mix.plan_skip;
  context.reporter = &quiet;
  train::NetOptions options;
  options.training = true;
  return train::Net(net, options, context).graph().notes;
}

std::vector<std::string> build(const std::string& path, const std::string& kind, const Mix& mix) {
  if (kind == "net")
    return build(config::with_state(config::read_net(path), caffe::TRAIN, 0, {}), mix);
  const config::SolverConfig solver = config::read_solver(path);
  optim::Optimizer(solver, {});
  for (const config::NetConfig& test : solver.test_nets) build(test, mix);
  return build(solver.train_net, mix);
}

std::string judge(const Error& error) {
  if (error.code != ErrorCode::kConfig && error.code != ErrorCode::kData)
    return "refused for another reason than the definition: " + error.report();
  if (!error.location.known() || error.location.line <= 0)
    return "refused without a place: " + error.report();
  return "";
}

}  // namespace

std::string run_reject_case(const std::filesystem::path& prototxt, const std::string& kind,
                            const Mix& mix) {
  const std::string name = prototxt.stem().string(), expected = note_instead_of_refusal(name);
  Diagnostics refusal;
  std::vector<std::string> notes;
  refusal.guard([&] { notes = build(prototxt.filename().string(), kind, mix); });
  if (expected.empty()) {
    if (refusal.empty()) {
      const std::string more = kind == "solver" ? beyond_bvlc(prototxt.filename().string()) : "";
      if (more.empty()) return "accepted";
      say_differs("rejects/" + name, more);
      return "";
    }
    for (const Error& error : refusal.errors())
      if (const std::string wrong = judge(error); !wrong.empty()) return wrong;
    return "";
  }
  if (!refusal.empty())
    return "refused, though crema accepts it by choice: " + refusal.errors()[0].report();
  for (const std::string& note : notes)
    if (note.find(expected) != std::string::npos) {
      say_differs("rejects/" + name, note);
      return "";
    }
  return "accepted without the note that " + expected;
}

}  // namespace crema::conformance
