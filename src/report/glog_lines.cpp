#include <fmt/format.h>
#include <glog/logging.h>

#include "report/sinks.hpp"
#include "report/texts.hpp"

namespace crema::report {

namespace {

// Log parsers select lines by Caffe's source file names; line numbers mean nothing to anybody.
constexpr int kNoLine = 1;
void line(const char* file, const std::string& text) {
  google::LogMessage(file, kNoLine, google::GLOG_INFO).stream() << text;
}
void solver(const std::string& text) {
  line("solver.cpp", text);
}
void sgd_solver(const std::string& text) {
  line("sgd_solver.cpp", text);
}

// Caffe's numbers are C++ streams' default: 6 significant digits.
std::string number(double value) {
  return fmt::format("{:g}", value);
}

void outputs(const char* phase, const std::vector<Output>& list) {
  int k = 0;
  for (const Output& output : list)
    for (const double value : output.values) {
      std::string text =
          fmt::format("    {} net output #{}: {} = {}", phase, k++, output.name, number(value));
      if (output.loss_weight != 0)
        text += fmt::format(" (* {} = {} loss)", number(output.loss_weight),
                            number(output.loss_weight * value));
      solver(text);
    }
}

class GlogLines final : public Sink {
 public:
  void on(const Event& event) override { std::visit(*this, event); }

  void operator()(const RunStarted& e) const {
    solver("Solving " + e.net);
    solver("Learning Rate Policy: " + e.lr_policy);
  }
  void operator()(const Replanned& e) const { line("crema.cpp", text_of(e)); }
  void operator()(const WeightsLoaded& e) const {
    for (const std::string& text : lines_of(e)) line("crema.cpp", text);
  }
  void operator()(const Iterated&) const {}
  void operator()(const Displayed& e) const {
    solver(fmt::format("Iteration {} ({} iter/s, {}s/{} iters), loss = {}", e.iteration,
                       number(e.iterations_per_second), number(e.seconds), e.display,
                       number(e.loss)));
    outputs("Train", e.outputs);
  }
  void operator()(const Verified&) const {}
  void operator()(const Alarm& e) const {
    if (e.repeated) return;
    google::LogMessage("crema.cpp", kNoLine, google::GLOG_WARNING).stream()
        << "Iteration " << e.iteration << ": " << e.text;
  }
  void operator()(const Histograms&) const {}
  void operator()(const RateSet& e) const {
    sgd_solver(fmt::format("Iteration {}, lr = {}", e.iteration, number(e.rate)));
  }
  void operator()(const RateStepped& e) const {
    sgd_solver(fmt::format("{} Status: Iteration {}, step = {}", e.policy, e.iteration, e.step));
  }
  void operator()(const Clipped& e) const {
    sgd_solver(fmt::format(
        "Gradient clipping: scaling down gradients (L2 norm {} > {}) by scale factor {}",
        number(e.norm), number(e.limit), number(e.scale)));
  }
  void operator()(const TestStarted& e) const {
    solver(fmt::format("Iteration {}, Testing net (#{})", e.iteration, e.net));
  }
  void operator()(const Tested& e) const {
    if (e.loss) solver("Test loss: " + number(*e.loss));
    outputs("Test", e.outputs);
  }
  void operator()(const Snapshotted& e) const {
    const std::string kind = e.hdf5 ? "HDF5" : "binary proto";
    solver(fmt::format("Snapshotting to {} file {}", kind, e.weights));
    sgd_solver(fmt::format("Snapshotting solver state to {} file {}", kind, e.state));
  }
  void operator()(const FinalLoss& e) const {
    solver(fmt::format("Iteration {}, loss = {}", e.iteration, number(e.loss)));
  }
  void operator()(const RunEnded& e) const {
    solver(e.early ? "Optimization stopped early." : "Optimization Done.");
    line("caffe.cpp", "Optimization Done.");
  }
  void operator()(const Failed&) const {}  // main prints it
  void operator()(const DebugValue& e) const { line("net.cpp", debug_text(e)); }
  void operator()(const DebugNorms& e) const {
    // An error by name only: Caffe wants it seen.
    google::LogMessage("net.cpp", kNoLine, google::GLOG_ERROR).stream() << debug_text(e);
  }
  void operator()(const Message& e) const {
    const auto severity =
        e.severity == Message::Severity::kWarning ? google::GLOG_WARNING : google::GLOG_INFO;
    google::LogMessage("crema.cpp", kNoLine, severity).stream() << e.text;
  }
};

}  // namespace

std::unique_ptr<Sink> make_glog_lines() {
  return std::make_unique<GlogLines>();
}

}  // namespace crema::report
