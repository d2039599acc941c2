#include <fmt/format.h>

#include "base/clock.hpp"
#include "report/sinks.hpp"
#include "report/texts.hpp"

namespace crema::report {

namespace {

constexpr double kRedrawSeconds = 0.1;

std::string duration(double seconds) {
  const auto s = static_cast<int64_t>(seconds + 0.5);
  if (s >= 3600) return fmt::format("{}h{:02}m", s / 3600, s / 60 % 60);
  if (s >= 60) return fmt::format("{}m{:02}s", s / 60, s % 60);
  return fmt::format("{}s", s);
}

class Console final : public Sink {
 public:
  explicit Console(std::FILE* out) : out_(out) {}
  ~Console() override { erase(); }
  void on(const Event& event) override { std::visit(*this, event); }

  void operator()(const RunStarted& e) {
    start_ = e;
    watch_.restart();
    say(fmt::format(
        "Training {}: {} learnable numbers, {} with lr_policy {}, iterations {} to {}, "
        "{} threads",
        e.net, e.parameters, e.solver_type, e.lr_policy, e.first_iteration, e.max_iter, e.threads));
  }

  void operator()(const Iterated& e) {
    if (drawn_ && since_draw_.seconds() < kRedrawSeconds && e.iteration != start_.max_iter) return;
    since_draw_.restart();
    const double done = static_cast<double>(e.iteration - start_.first_iteration);
    const double speed = done / std::max(watch_.seconds() - paused_, 1e-9);
    const double left = static_cast<double>(start_.max_iter - e.iteration) / std::max(speed, 1e-9);
    std::string text =
        fmt::format("{:>{}}/{}  loss {:<8.4g}  lr {:<9.4g}  ", e.iteration,
                    std::to_string(start_.max_iter).size(), start_.max_iter, e.loss, e.rate);
    if (start_.batch_size > 0)
      text += fmt::format("{:.0f} images/s  ", speed * static_cast<double>(start_.batch_size));
    else
      text += fmt::format("{:.1f} iter/s  ", speed);
    draw(text + duration(left) + " left");
  }

  void operator()(const Replanned& e) { say(text_of(e)); }
  void operator()(const WeightsLoaded& e) {
    for (const std::string& line : lines_of(e)) say(line);
  }
  void operator()(const Displayed&) const {}
  void operator()(const Verified&) const {}
  void operator()(const Alarm& e) {
    if (!e.repeated) say(fmt::format("warning: {}: {}", e.iteration, e.text));
  }
  void operator()(const Histograms&) const {}
  void operator()(const RateSet&) const {}
  void operator()(const RateStepped& e) {
    say(fmt::format("{}: learning-rate step {}", e.iteration, e.step));
  }
  void operator()(const Clipped&) const {}
  void operator()(const TestStarted& e) {
    draw(fmt::format("{}/{}  testing net {} ...", e.iteration, start_.max_iter, e.net));
  }
  void operator()(const Tested& e) {
    paused_ += e.seconds;
    std::string text = fmt::format("{}: test", e.iteration);
    if (e.net > 0) text += fmt::format(" net {}", e.net);
    if (e.loss) text += fmt::format("  total loss {:.5g}", *e.loss);
    for (const Output& output : e.outputs) {
      text += fmt::format("  {}", output.name);
      for (const double value : output.values) text += fmt::format(" {:.5g}", value);
    }
    say(text);
  }
  void operator()(const Snapshotted& e) {
    say(fmt::format("{}: wrote {} and {}", e.iteration, e.weights, e.state));
  }
  void operator()(const FinalLoss&) const {}
  void operator()(const RunEnded& e) {
    say(fmt::format("{} at iteration {} after {}", e.early ? "Stopped early" : "Done", e.iteration,
                    duration(e.seconds)));
  }
  void operator()(const Failed&) { erase(); }  // main prints it
  void operator()(const DebugValue& e) { say(debug_text(e)); }
  void operator()(const DebugNorms& e) { say(debug_text(e)); }
  void operator()(const Message& e) {
    say((e.severity == Message::Severity::kWarning ? "warning: " : "") + e.text);
  }

 private:
  void erase() {
    if (!drawn_) return;
    std::fputs("\r\033[K", out_);
    std::fflush(out_);
    drawn_ = false;
  }
  void draw(const std::string& text) {
    std::fprintf(out_, "\r\033[K%s", text.c_str());
    std::fflush(out_);
    drawn_ = true;
  }
  void say(const std::string& text) {
    erase();
    std::fprintf(out_, "%s\n", text.c_str());
    std::fflush(out_);
  }

  std::FILE* out_;
  RunStarted start_;
  Stopwatch watch_, since_draw_;
  double paused_ = 0;  // seconds spent in tests: not part of the training speed
  bool drawn_ = false;
};

}  // namespace

std::unique_ptr<Sink> make_console(std::FILE* out) {
  return std::make_unique<Console>(out);
}

}  // namespace crema::report
