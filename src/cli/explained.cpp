#include "cli/explained.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.hpp"

namespace crema::cli {

namespace {

using train::Moment;
using train::Outlook;
using train::ParamMoment;
using train::ParamOutlook;

// A table is that wide if it can be, and has that many times at least, if there are so many.
constexpr size_t kWidth = 160, kLeastColumns = 6, kMostColumns = 10;

// How much a moment is worth showing.
int weight_of(const Moment& moment, bool end) {
  const auto has = [&](const char* reason) {
    return std::find(moment.reasons.begin(), moment.reasons.end(), reason) != moment.reasons.end();
  };
  return end || has("freeze") ? 2 : moment.reasons != std::vector<std::string>{"quarter"} ? 1 : 0;
}

// Which `most` moments the text shows: the first and last one, freezes, other times at which
// something is decided; where not all of a kind have room, they are spread evenly.
std::vector<size_t> columns_of(const Outlook& outlook, size_t most) {
  const size_t n = outlook.moments.size();
  std::vector<size_t> out;
  for (int weight = 2; weight >= 0; --weight) {
    std::vector<size_t> like;
    for (size_t i = 0; i < n; ++i)
      if (weight_of(outlook.moments[i], i == 0 || i + 1 == n) == weight) like.push_back(i);
    const size_t room = std::min(most - out.size(), like.size());
    for (size_t k = 0; k < room; ++k) out.push_back(like[like.size() * (2 * k + 1) / (2 * room)]);
  }
  std::sort(out.begin(), out.end());
  return out;
}

// "0.0005", or "0.0005 -> 0" where it changes.
std::string course(const ParamOutlook& param, double ParamMoment::*number) {
  std::string out;
  double last = 0;
  for (const ParamMoment& at : param.at) {
    if (!out.empty() && at.*number == last) continue;
    last = at.*number;
    out += (out.empty() ? "" : " -> ") + short_number(last);
  }
  return std::count(out.begin(), out.end(), '>') > 2 ? "varies" : out;
}

// With what backward has to do with it, where that is neither plain nor said by a warning.
std::string why_text(const ParamMoment& at) {
  const std::string same = "frozen, and ";
  if (at.does == "frozen")
    return fmt::format("frozen ({})",
                       at.why.starts_with(same) ? at.why.substr(same.size()) : at.why);
  if (at.does == "MOVES BY DECAY ONLY") return at.does + ": see below";
  return at.does.starts_with("does not move: no") ? fmt::format("{} ({})", at.does, at.why)
                                                  : at.does;
}

// What it does, and from when on something else.
std::string doing(const ParamOutlook& param, const Outlook& outlook) {
  std::string out, last;
  for (size_t i = 0; i < param.at.size(); ++i) {
    const std::string now = why_text(param.at[i]);
    if (now == last) continue;
    out += out.empty() ? now : fmt::format("; from {} on {}", outlook.moments[i].iteration, now);
    last = now;
  }
  return out;
}

std::vector<std::string> rates_row(const ParamOutlook& param, const Outlook& outlook,
                                   const std::vector<size_t>& columns) {
  std::vector<std::string> row{param.name, param.shape, param.origin,
                               param.state ? "-" : param.optimizer};
  for (const size_t c : columns)
    row.push_back(param.state          ? "-"
                  : param.at[c].frozen ? "frozen"
                                       : short_number(param.at[c].rate));
  row.push_back((param.state ? "running statistic: " : "") + doing(param, outlook));
  return row;
}

std::string rates_table(const Outlook& outlook, size_t most) {
  const std::vector<size_t> columns = columns_of(outlook, most);
  std::vector<std::vector<std::string>> rows(2);
  rows[0] = {"parameter", "shape", "from", "optimizer"};
  rows[1].resize(rows[0].size());
  for (const size_t c : columns) {
    rows[0].push_back(fmt::format("rate@{}", outlook.moments[c].iteration));
    rows[1].push_back(join(outlook.moments[c].reasons, "+"));
  }
  rows[0].push_back("what it does");
  for (const ParamOutlook& param : outlook.params)
    rows.push_back(rates_row(param, outlook, columns));
  std::string out = aligned(rows);
  if (columns.size() < outlook.moments.size())
    out += fmt::format("{} of {} times are shown; --at=T,... chooses, --format=csv has all\n",
                       columns.size(), outlook.moments.size());
  return out;
}

size_t width_of(const std::string& table) {
  size_t out = 0;
  for (const std::string& line : split(table, '\n')) out = std::max(out, line.size());
  return out;
}

std::string rates_table(const Outlook& outlook) {
  std::string out;
  for (size_t most = kMostColumns; most >= kLeastColumns; --most) {
    out = rates_table(outlook, most);
    if (width_of(out) <= kWidth) break;
  }
  return out;
}

std::string origins_table(const Outlook& outlook) {
  // The two files by a short name, so that a row is a line.
  const auto shown = [&](const std::string& text) -> std::string {
    if (text.empty()) return "-";
    if (text.starts_with(outlook.solver + ":"))
      return "solver" + text.substr(outlook.solver.size());
    if (text.starts_with(outlook.net + ":")) return "net" + text.substr(outlook.net.size());
    return text;
  };
  const auto dash = [](const std::string& text) { return text.empty() ? std::string("-") : text; };
  std::vector<std::vector<std::string>> rows{{"parameter", "lr_mult", "decided at", "decay",
                                              "decay_mult", "decided at", "momentum", "optimizer",
                                              "freeze", "rules that select it"}};
  for (const ParamOutlook& param : outlook.params) {
    if (param.state && param.freeze_place.empty() && param.rules.empty()) continue;
    std::vector<std::string> rules;
    for (const std::string& rule : param.rules) rules.push_back(shown(rule));
    const auto of_learner = [&](const std::string& text) { return param.state ? "-" : text; };
    rows.push_back({param.name, dash(param.lr_mult), shown(param.lr_mult_place),
                    of_learner(course(param, &ParamMoment::decay)), dash(param.decay_mult),
                    shown(param.decay_mult_place),
                    of_learner(course(param, &ParamMoment::momentum) +
                               (param.momentum_form == "-" ? "" : " " + param.momentum_form)),
                    shown(param.optimizer_place), shown(param.freeze_place),
                    dash(join(rules, " "))});
    if (!param.state && param.grad_mult != "1")
      rows.push_back({"", "grad_mult " + param.grad_mult, shown(param.grad_mult_place)});
  }
  return fmt::format("where it was decided (solver: {}, net: {})\n", outlook.solver, outlook.net) +
         aligned(rows);
}

std::string quoted(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

std::string warning_text(const train::Warning& warning) {
  const std::string whose =
      warning.params.empty() ? ""
      : warning.params.size() == 1
          ? warning.params[0] + ": "
          : fmt::format("{} and {} more: ", warning.params[0], warning.params.size() - 1);
  return whose + warning.text + (warning.place.empty() ? "" : fmt::format(" [{}]", warning.place));
}

}  // namespace

std::string short_number(double value) {
  return fmt::format("{:.6g}", value);
}

std::string aligned(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows)
    for (size_t i = 0; i < row.size(); ++i) {
      widths.resize(std::max(widths.size(), row.size()));
      widths[i] = std::max(widths[i], row[i].size());
    }
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) line += fmt::format("{:<{}}  ", row[i], widths[i]);
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

std::string outlook_text(const Outlook& outlook) {
  std::string out;
  for (const std::string& line : outlook.heading) out += line + "\n";
  for (const std::string& note : outlook.notes) out += fmt::format("note: {}\n", note);
  out += fmt::format("\n{}\n{}", rates_table(outlook), origins_table(outlook));
  if (!outlook.warnings.empty()) out += "\n";
  for (const train::Warning& warning : outlook.warnings)
    out += fmt::format("warning: {}\n", warning_text(warning));
  return out;
}

std::string outlook_csv(const Outlook& outlook) {
  std::string out =
      "iteration,moment,parameter,layer_type,shape,from,optimizer,momentum_form,rate,decay,"
      "momentum,lr_mult,decay_mult,grad_mult,frozen,reached,why,does,lr_mult_place,"
      "decay_mult_place,grad_mult_place,freeze_place,optimizer_place,rules\n";
  for (size_t m = 0; m < outlook.moments.size(); ++m)
    for (const ParamOutlook& p : outlook.params) {
      const ParamMoment& at = p.at[m];
      const auto number = [&](double x) { return p.state ? "" : fmt::format("{:.7g}", x); };
      const std::vector<std::string> cells{fmt::format("{}", outlook.moments[m].iteration),
                                           join(outlook.moments[m].reasons, " "),
                                           p.name,
                                           p.type,
                                           p.shape,
                                           p.origin,
                                           p.optimizer,
                                           p.momentum_form,
                                           number(at.rate),
                                           number(at.decay),
                                           number(at.momentum),
                                           number(at.lr_mult),
                                           number(at.decay_mult),
                                           number(at.grad_mult),
                                           at.frozen ? "1" : "0",
                                           at.reached ? "1" : "0",
                                           at.why,
                                           at.does,
                                           p.lr_mult_place,
                                           p.decay_mult_place,
                                           p.grad_mult_place,
                                           p.freeze_place,
                                           p.optimizer_place,
                                           join(p.rules, " ")};
      for (size_t i = 0; i < cells.size(); ++i)
        out.append(i == 0 ? "" : ",").append(quoted(cells[i]));
      out += "\n";
    }
  return out;
}

nlohmann::ordered_json outlook_json(const Outlook& outlook) {
  using Json = nlohmann::ordered_json;
  Json out{{"solver", outlook.solver},         {"net", outlook.net},
           {"first_iteration", outlook.first}, {"max_iter", outlook.max_iter},
           {"heading", outlook.heading},       {"notes", outlook.notes}};
  out["moments"] = Json::array();
  for (const Moment& moment : outlook.moments)
    out["moments"].push_back({{"iteration", moment.iteration}, {"reasons", moment.reasons}});
  out["parameters"] = Json::array();
  for (const ParamOutlook& p : outlook.params) {
    Json entry{{"name", p.name},   {"layer_type", p.type}, {"shape", p.shape},
               {"state", p.state}, {"from", p.origin},     {"rules", p.rules}};
    if (!p.freeze_place.empty()) entry["freeze_place"] = p.freeze_place;
    if (!p.state) {
      entry["optimizer"] = p.optimizer;
      entry["optimizer_place"] = p.optimizer_place;
      entry["momentum_form"] = p.momentum_form;
      entry["lr_mult"] = p.lr_mult;
      entry["lr_mult_place"] = p.lr_mult_place;
      entry["decay_mult"] = p.decay_mult;
      entry["decay_mult_place"] = p.decay_mult_place;
      entry["grad_mult"] = p.grad_mult;
      entry["grad_mult_place"] = p.grad_mult_place;
    }
    entry["at"] = Json::array();
    for (size_t m = 0; m < p.at.size(); ++m) {
      const ParamMoment& at = p.at[m];
      Json moment{{"iteration", outlook.moments[m].iteration}};
      if (!p.state) {
        moment["rate"] = at.rate;
        moment["decay"] = at.decay;
        moment["momentum"] = at.momentum;
        moment["lr_mult"] = at.lr_mult;
        moment["decay_mult"] = at.decay_mult;
        moment["grad_mult"] = at.grad_mult;
      }
      moment["frozen"] = at.frozen;
      moment["reached"] = at.reached;
      moment["why"] = at.why;
      moment["does"] = at.does;
      entry["at"].push_back(std::move(moment));
    }
    out["parameters"].push_back(std::move(entry));
  }
  out["warnings"] = Json::array();
  for (const train::Warning& w : outlook.warnings)
    out["warnings"].push_back({{"parameters", w.params}, {"text", w.text}, {"place", w.place}});
  return out;
}

}  // namespace crema::cli
