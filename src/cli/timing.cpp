#include "cli/timing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/error.hpp"
#include "base/files.hpp"

namespace crema::cli {

namespace {

constexpr double kMebi = 1048576.0;

bool compared(const TimingReport& report) {
  return std::any_of(report.totals.begin(), report.totals.end(),
                     [](const TimingRow& row) { return row.old_ms.has_value(); });
}

double ratio(const TimingRow& row) {
  return row.ms.median > 0 ? *row.old_ms / row.ms.median : 0;
}

std::string numbers(const TimingRow& row, const TimingReport& report, double whole) {
  std::string out = fmt::format("{:>10.3f} {:>6.1f}% {:>8.1f} {:>7.1f} {:>6.0f}%", row.ms.median,
                                whole > 0 ? 100 * row.ms.median / whole : 0, row.gflops(),
                                row.gbytes(), 100 * row.limit_share(report.limits));
  if (row.old_ms) out += fmt::format(" {:>10.3f} {:>6.2f}", *row.old_ms, ratio(row));
  return out;
}

std::string heading(const char* first, size_t width, const TimingReport& report) {
  return fmt::format("{:<{}} {:<16} {:>10} {:>7} {:>8} {:>7} {:>7}{}\n", first, width, "pass", "ms",
                     "share", "GFLOP/s", "GB/s", "limit",
                     compared(report) ? "     old ms  ratio" : "");
}

std::string name_of(const TimingRow& row) {
  std::string name = row.layer;
  for (const std::string& part :
       {row.kind, row.engine.empty() ? "" : row.engine + ":" + row.implementation})
    if (!part.empty()) name += (name.empty() ? "" : "  ") + part;
  return name;
}

std::string table(const char* title, const std::vector<TimingRow>& rows, double whole,
                  const TimingReport& report) {
  size_t width = std::string(title).size();
  for (const TimingRow& row : rows) width = std::max(width, name_of(row).size());
  std::string out = heading(title, width, report);
  for (const TimingRow& row : rows)
    out += fmt::format("{:<{}} {:<16} {}\n", name_of(row), width, row.pass,
                       numbers(row, report, whole));
  return out + "\n";
}

std::string memory_text(const TimingReport& report) {
  const auto mib = [](size_t bytes) { return fmt::format("{:.1f} MiB", bytes / kMebi); };
  std::string out =
      fmt::format("Memory: weights {}, gradients {}, arena {} (scratch up to {}), inputs {}",
                  mib(report.weights), mib(report.gradients), mib(report.arena),
                  mib(report.scratch), mib(report.inputs));
  if (report.optimizer > 0) out += ", for updates " + mib(report.optimizer);
  return out + fmt::format("; peak resident {}\n", mib(report.peak_resident));
}

// A field of a CSV file: quoted where it must be.
std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

nlohmann::json row_json(const TimingRow& row, const TimingReport& report) {
  nlohmann::json out{{"pass", row.pass},
                     {"ms", row.ms.median},
                     {"mean_ms", row.ms.mean},
                     {"min_ms", row.ms.min},
                     {"flops", row.flops},
                     {"bytes", row.bytes},
                     {"gflops", row.gflops()},
                     {"gbytes", row.gbytes()},
                     {"limit", row.limit_share(report.limits)}};
  if (!row.layer.empty()) out["layer"] = row.layer;
  if (!row.kind.empty()) out["kind"] = row.kind;
  if (!row.engine.empty()) {
    out["engine"] = row.engine;
    out["implementation"] = row.implementation;
  }
  if (row.old_ms) {
    out["old_ms"] = *row.old_ms;
    out["ratio"] = ratio(row);
  }
  return out;
}

nlohmann::json rows_json(const std::vector<TimingRow>& rows, const TimingReport& report) {
  nlohmann::json out = nlohmann::json::array();
  for (const TimingRow& row : rows) out.push_back(row_json(row, report));
  return out;
}

// Times of an older report by what they are of; equals in their order.
using OldTimes = std::map<std::string, std::vector<double>>;

std::string key(const char* table, const std::string& layer, const std::string& kind,
                const std::string& pass) {
  return fmt::format("{} {} {} {}", table, layer, table == std::string("totals") ? "" : kind, pass);
}

OldTimes read_old(const std::string& path) {
  const std::string text = read_file(path, ErrorCode::kUsage);
  OldTimes out;
  try {
    const nlohmann::json old = nlohmann::json::parse(text);
    for (const char* table : {"totals", "layers", "ops"})
      for (const nlohmann::json& row : old.at(table))
        out[key(table, row.value("layer", ""), row.value("kind", ""), row.at("pass"))].push_back(
            row.at("ms").get<double>());
  } catch (const nlohmann::json::exception& error) {
    throw Error(ErrorCode::kUsage,
                fmt::format("--compare: '{}' is no report of `crema time`: {}", path, error.what()))
        .advise("write one with crema time --json=FILE");
  }
  return out;
}

}  // namespace

Spread spread_of(std::vector<double> ms) {
  if (ms.empty()) return {};
  std::sort(ms.begin(), ms.end());
  const size_t half = ms.size() / 2;
  const double median = ms.size() % 2 == 1 ? ms[half] : (ms[half - 1] + ms[half]) / 2;
  return {median, std::accumulate(ms.begin(), ms.end(), 0.0) / static_cast<double>(ms.size()),
          ms.front()};
}

double TimingRow::limit_share(const MachineLimits& limits) const {
  if (ms.median <= 0 || limits.gflops <= 0 || limits.gbytes <= 0) return 0;
  return std::max(gflops() / limits.gflops, gbytes() / limits.gbytes);
}

std::string timing_text(const TimingReport& report) {
  const double whole = report.totals.empty() ? 0 : report.totals.back().ms.median;
  std::string out = fmt::format(
      "{}{}, {}, batch {}{}, {}{} iterations\n{}, {} threads; measured limits {:.1f} GFLOP/s ({}), "
      "{:.1f} GB/s\n\n",
      report.net, report.net.empty() ? report.model : " (" + report.model + ")", report.phase,
      report.batch, report.synthetic ? ", synthetic input" : "",
      report.precision == "f32" ? "" : report.precision + ", ", report.iterations, report.processor,
      report.threads, report.limits.gflops, report.limits.vector, report.limits.gbytes);
  out += table("op", report.ops, whole, report);
  out += table("layer", report.layers, whole, report);
  out += table("total", report.totals, whole, report);
  if (report.batch > 0 && whole > 0)
    out += fmt::format("{:.1f} samples/s\n", 1e3 * static_cast<double>(report.batch) / whole);
  out += memory_text(report);
  for (const std::string& row : report.only_in_old)
    out += "only in the older report: " + row + "\n";
  return out;
}

std::string timing_csv(const TimingReport& report) {
  const bool old = compared(report);
  std::string out = "table,layer,kind,pass,engine,implementation,ms,mean_ms,min_ms,gflops,gbytes,";
  out += old ? "limit,old_ms,ratio\n" : "limit\n";
  for (const auto& [name, rows] :
       {std::pair("op", &report.ops), {"layer", &report.layers}, {"total", &report.totals}})
    for (const TimingRow& row : *rows) {
      out += fmt::format("{},{},{},{},{},{},{:g},{:g},{:g},{:g},{:g},{:g}", name,
                         csv_field(row.layer), csv_field(row.kind), row.pass, csv_field(row.engine),
                         csv_field(row.implementation), row.ms.median, row.ms.mean, row.ms.min,
                         row.gflops(), row.gbytes(), row.limit_share(report.limits));
      if (old) out += row.old_ms ? fmt::format(",{:g},{:g}", *row.old_ms, ratio(row)) : ",,";
      out += "\n";
    }
  return out;
}

nlohmann::json timing_json(const TimingReport& report) {
  return {{"verb", "time"},
          {"model", report.model},
          {"net", report.net},
          {"phase", report.phase},
          {"batch", report.batch},
          {"synthetic", report.synthetic},
          {"threads", report.threads},
          {"iterations", report.iterations},
          {"precision", report.precision},
          {"machine",
           {{"processor", report.processor},
            {"vector", report.limits.vector},
            {"gflops", report.limits.gflops},
            {"gbytes", report.limits.gbytes}}},
          {"memory",
           {{"weights", report.weights},
            {"gradients", report.gradients},
            {"optimizer", report.optimizer},
            {"arena", report.arena},
            {"scratch", report.scratch},
            {"inputs", report.inputs},
            {"peak_resident", report.peak_resident}}},
          {"totals", rows_json(report.totals, report)},
          {"layers", rows_json(report.layers, report)},
          {"ops", rows_json(report.ops, report)}};
}

void compare_timing(TimingReport& report, const std::string& path) {
  OldTimes old = read_old(path);
  for (const auto& [table, rows] :
       {std::pair("totals", &report.totals), {"layers", &report.layers}, {"ops", &report.ops}})
    for (TimingRow& row : *rows) {
      const auto it = old.find(key(table, row.layer, row.kind, row.pass));
      if (it == old.end() || it->second.empty()) continue;
      row.old_ms = it->second.front();
      it->second.erase(it->second.begin());
    }
  for (const auto& [name, times] : old)
    if (!times.empty() && !name.starts_with("ops ")) report.only_in_old.push_back(name);
}

}  // namespace crema::cli
