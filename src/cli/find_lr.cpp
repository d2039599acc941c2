// crema find-lr: a learning-rate range test, for base_lr and for the multiplier of every rule.
#include <fmt/format.h>
#include <gflags/gflags.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/files.hpp"
#include "base/text.hpp"
#include "cli/explained.hpp"
#include "cli/flags.hpp"
#include "cli/verbs.hpp"
#include "report/chart.hpp"
#include "train/lr_finder.hpp"

namespace crema::cli {

namespace {

using train::RangeTest;

train::RangeOptions range_flags() {
  train::RangeOptions out;
  out.from = FLAGS_from;
  out.to = FLAGS_to;
  constexpr int kSteps = 100;
  out.steps =
      gflags::GetCommandLineFlagInfoOrDie("iterations").is_default ? kSteps : FLAGS_iterations;
  if (!(out.from > 0) || !(out.to > out.from) || out.to > 1e30)
    throw Error(ErrorCode::kUsage,
                fmt::format("--from={:g} --to={:g} is no range of rates", FLAGS_from, FLAGS_to))
        .advise("rates rise from --from (> 0) to --to (larger)");
  if (out.steps < 10)
    throw Error(ErrorCode::kUsage, "--iterations must be at least 10: one update per rate");
  return out;
}

std::string shown(const std::optional<double>& rate, double unit) {
  return rate ? fmt::format("{:.2g}", *rate / unit) : "-";
}

std::string story(const RangeTest& test) {
  if (test.params.empty())
    return "it decides no rate: its parameters are frozen, or later rules have them";
  if (test.points.empty()) return "the loss was no number after the first update";
  const auto least =
      std::min_element(test.points.begin(), test.points.end(),
                       [](const auto& a, const auto& b) { return a.smoothed < b.smoothed; });
  std::string out = fmt::format("loss {:.4g} -> {:.4g} at rate {:.2g}", test.points[0].smoothed,
                                least->smoothed, least->rate);
  if (test.broke) out += fmt::format(", breaks at {:.2g}", test.points.back().rate);
  if (!test.suggestions.minimum) out += "; it never fell: nothing is suggested";
  return out;
}

std::string table(const std::vector<RangeTest>& tests) {
  std::vector<std::vector<std::string>> rows{
      {"for", "at", "parameters", "steepest", "minimum/10", "valley", "what happened"}};
  for (const RangeTest& test : tests) {
    const bool rule = test.target.rule >= 0;
    const double unit = rule && test.held > 0 ? test.held : 1;
    rows.push_back({test.target.name + (rule && test.held > 0 ? " lr_mult"
                                        : rule                ? " rate"
                                                              : ""),
                    test.target.place, fmt::format("{}", test.params.size()),
                    shown(test.suggestions.steepest, unit), shown(test.suggestions.minimum, unit),
                    shown(test.suggestions.valley, unit), story(test)});
  }
  return aligned(rows);
}

std::string csv(const std::vector<RangeTest>& tests) {
  std::string out = "test,rate,lr_mult,loss,smoothed_loss\n";
  for (const RangeTest& test : tests)
    for (const train::RangePoint& point : test.points)
      out += fmt::format("{},{:.7g},{},{:.7g},{:.7g}\n", test.target.name, point.rate,
                         test.target.rule >= 0 && test.held > 0
                             ? fmt::format("{:.7g}", point.rate / test.held)
                             : "",
                         point.loss, point.smoothed);
  return out;
}

nlohmann::json suggestions_json(const std::vector<RangeTest>& tests) {
  nlohmann::json out = nlohmann::json::array();
  for (const RangeTest& test : tests) {
    nlohmann::json entry{{"for", test.target.name},   {"place", test.target.place},
                         {"parameters", test.params}, {"policy_rate", test.held},
                         {"broke", test.broke},       {"points", nlohmann::json::array()}};
    const auto add = [&](const char* name, const std::optional<double>& rate) {
      if (rate) entry[name] = *rate;
    };
    add("steepest", test.suggestions.steepest);
    add("minimum", test.suggestions.minimum);
    add("valley", test.suggestions.valley);
    for (const train::RangePoint& point : test.points)
      entry["points"].push_back(
          {{"rate", point.rate}, {"loss", point.loss}, {"smoothed_loss", point.smoothed}});
    out.push_back(std::move(entry));
  }
  return out;
}

void plot(const std::vector<RangeTest>& tests) {
  report::Chart chart;
  chart.title = fmt::format("Range test: {}", FLAGS_solver);
  chart.x_label = "learning rate";
  chart.y_label = "smoothed loss";
  chart.log_x = true;
  for (const RangeTest& test : tests) {
    chart.curves.push_back({test.target.name, {}});
    for (const train::RangePoint& point : test.points)
      chart.curves.back().points.emplace_back(point.rate, point.smoothed);
  }
  const auto mark = [&](const std::optional<double>& rate, const char* name) {
    if (rate) chart.marks.push_back({*rate, fmt::format("{} {:.2g}", name, *rate)});
  };
  if (tests.size() == 1) {
    mark(tests[0].suggestions.steepest, "steepest");
    mark(tests[0].suggestions.minimum, "minimum/10");
    mark(tests[0].suggestions.valley, "valley");
  }
  write_file_atomically(FLAGS_plot, report::svg_of(chart));
}

}  // namespace

int find_lr(Session& session) {
  const std::string format = format_flag();
  const train::RangeOptions range = range_flags();
  if (!FLAGS_weights.empty() && !FLAGS_snapshot.empty())
    throw Error(ErrorCode::kUsage, "--weights and --snapshot exclude each other");
  const config::SolverConfig solver = load_solver("find-lr", session);
  train::TrainOptions options;
  options.snapshot = FLAGS_snapshot;
  options.inputs = input_options();
  if (options.snapshot.empty()) options.weights = split(FLAGS_weights, ',');
  std::vector<RangeTest> tests;
  for (const train::RangeTarget& target : train::range_targets(solver)) {
    if (target.rule >= 0 && !FLAGS_per_rule) continue;
    tests.push_back(train::test_range(solver, options, session.context, target, range));
  }
  if (!FLAGS_plot.empty()) plot(tests);
  const std::string text = format == "csv"    ? csv(tests)
                           : format == "json" ? suggestions_json(tests).dump(2) + "\n"
                                              : table(tests);
  std::fputs(text.c_str(), stdout);
  return 0;
}

}  // namespace crema::cli
