// The log of a BVLC run against the events of ours: what a log parser would read.
#include <fmt/format.h>

#include <fstream>
#include <regex>

#include "suite.hpp"

namespace crema::conformance {

namespace {

// One line of the log: what it says, and the numbers in it.
struct Line {
  std::string what;
  std::vector<double> numbers;
};

// The lines about progress; times and speeds are left out.
std::vector<Line> read_log(const std::string& path) {
  static const std::string number = R"(([-+0-9.einfa]+))";
  static const std::vector<std::pair<std::regex, const char*>> kinds{
      {std::regex(R"(\] Iteration (\d+), Testing net \(#(\d+)\))"), "test {} of net {}"},
      {std::regex(R"(\] +Test net output #(\d+): (\S+) = )" + number), "test output {} {}"},
      {std::regex(R"(\] +Train net output #(\d+): (\S+) = )" + number), "train output {} {}"},
      {std::regex(R"(\] Iteration (\d+) \([^)]*\)(), loss = )" + number), "display {}{}"},
      {std::regex(R"(\] Iteration (\d+)(), lr = )" + number), "rate {}{}"},
      {std::regex(R"(\] Iteration (\d+)(), loss = )" + number), "final {}{}"},
  };
  std::vector<Line> out;
  std::ifstream file(path);
  for (std::string text; std::getline(file, text);)
    for (const auto& [pattern, what] : kinds) {
      std::smatch match;
      if (!std::regex_search(text, match, pattern)) continue;
      Line line{fmt::format(fmt::runtime(what), match[1].str(), match[2].str()), {}};
      if (match.size() > 3) line.numbers.push_back(std::stod(match[3]));
      out.push_back(std::move(line));
      break;
    }
  return out;
}

void add_outputs(const char* which, const std::vector<report::Output>& outputs,
                 std::vector<Line>& out) {
  int count = 0;  // numbers, not blobs
  for (const report::Output& output : outputs)
    for (const double value : output.values)
      out.push_back({fmt::format("{} output {} {}", which, count++, output.name), {value}});
}

// Our events as lines of the log.
struct Writer {
  std::vector<Line> lines = {};
  void operator()(const report::TestStarted& e) {
    lines.push_back({fmt::format("test {} of net {}", e.iteration, e.net), {}});
  }
  void operator()(const report::Tested& e) { add_outputs("test", e.outputs, lines); }
  void operator()(const report::Displayed& e) {
    lines.push_back({fmt::format("display {}", e.iteration), {e.loss}});
    add_outputs("train", e.outputs, lines);
  }
  void operator()(const report::RateSet& e) {
    lines.push_back({fmt::format("rate {}", e.iteration), {e.rate}});
  }
  void operator()(const report::FinalLoss& e) {
    lines.push_back({fmt::format("final {}", e.iteration), {e.loss}});
  }
  template <class Other>
  void operator()(const Other&) {}
};

}  // namespace

std::string compare_log(const std::string& path, const std::vector<report::Event>& events,
                        double rtol, double atol) {
  const std::vector<Line> wanted = read_log(path);
  Writer writer;
  for (const report::Event& event : events) std::visit(writer, event);
  const std::vector<Line>& got = writer.lines;
  if (wanted.empty()) return path + " holds no line about progress";
  Check check(rtol + 1e-5, atol);  // the log has six digits
  for (size_t i = 0; i < std::min(got.size(), wanted.size()); ++i) {
    if (got[i].what != wanted[i].what)
      return fmt::format("log line {}: '{}', expected '{}'", i, got[i].what, wanted[i].what);
    for (size_t k = 0; k < wanted[i].numbers.size(); ++k)
      check.equal("log: " + wanted[i].what, got[i].numbers.at(k), wanted[i].numbers[k]);
  }
  if (got.size() != wanted.size())
    return fmt::format("{} lines of progress, expected {}", got.size(), wanted.size());
  return check.failure();
}

}  // namespace crema::conformance
