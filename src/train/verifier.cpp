#include "train/verifier.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace crema::train {

namespace {

// Two groups' ratio may be off by that without an alarm.
constexpr double kRatio = 0.01;

std::vector<bool> states_of(const graph::Graph& graph) {
  std::vector<bool> out;
  for (const graph::ParamInfo& param : graph.params) out.push_back(param.state);
  return out;
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

Verifier::Verifier(const config::SolverConfig& solver, const graph::Graph& graph,
                   optim::Optimizer& optimizer, const std::vector<ParamGroup>& groups,
                   std::vector<int64_t> boundaries, report::Reporter& reporter)
    : solver_(solver),
      optimizer_(optimizer),
      groups_(groups),
      boundaries_(std::move(boundaries)),
      reporter_(reporter),
      check_(solver, states_of(graph)) {
  for (const ParamGroup& group : groups) described_.push_back(group.described(graph));
}

bool Verifier::due(int64_t t) const {
  const int64_t interval = solver_.param.verify_interval();
  return interval > 0 &&
         (t % interval == 0 || std::binary_search(boundaries_.begin(), boundaries_.end(), t));
}

void Verifier::before(int64_t t, const graph::Graph& graph) {
  std::vector<bool> reached;
  reasons_.clear();
  for (const graph::ParamInfo& param : graph.params) {
    reached.push_back(param.gradient != graph::kNone);
    reasons_.push_back(graph.layers[static_cast<size_t>(param.layer)].backward_reason);
  }
  optimizer_.prepare(t);  // the state is there that the update will find
  check_.before(optimizer_, t, reached);
}

void Verifier::after(int64_t t) {
  found_ = check_.after(optimizer_, t);
  ++verified_;
  report::Verified event;
  event.iteration = t + 1;
  for (size_t p = 0; p < found_.size(); ++p) {
    const optim::ParamCheck& found = found_[p];
    if (found.state && !found.frozen) continue;
    report::Verified::Param entry{optimizer_.params()[p].name,
                                  optim::name_of(found.finding),
                                  found.rate,
                                  std::nullopt,
                                  found.weight,
                                  found.gradient,
                                  found.update};
    if (found.measured()) entry.realised = found.realised;
    event.params.push_back(std::move(entry));
  }
  measured_.clear();
  for (size_t g = 0; g < groups_.size(); ++g) {
    measured_.push_back(measure(groups_[g]));
    const Group& group = measured_.back();
    if (group.measured) event.groups.push_back({described_[g].name, group.rate, group.realised});
  }
  reporter_.emit(event);
  check_groups(t);
  check_params(t);
}

// Of those members whose rate is known well.
Verifier::Group Verifier::measure(const ParamGroup& group) const {
  std::vector<double> rates, realised, uncertainties;
  for (const size_t p : group.members) {
    const optim::ParamCheck& found = found_[p];
    if (!found.measured() || found.uncertainty > 0.1 * std::abs(found.rate)) continue;
    rates.push_back(found.rate);
    realised.push_back(found.realised);
    uncertainties.push_back(found.uncertainty);
  }
  if (rates.empty()) return {};
  return {median(rates), median(realised), median(uncertainties), true};
}

void Verifier::alarm(int64_t t, const std::string& kind, const std::vector<size_t>& params,
                     const std::string& text) {
  report::Alarm event;
  event.iteration = t + 1;
  event.kind = kind;
  for (const size_t p : params) event.params.push_back(optimizer_.params()[p].name);
  event.text = text;
  event.repeated = !said_.insert(kind + " " + event.params.at(0)).second;
  ++alarms_;
  reporter_.emit(event);
}

// The group against which the others are held: the fastest one that does what it should.
size_t Verifier::reference() const {
  size_t best = groups_.size();
  for (size_t g = 0; g < groups_.size(); ++g) {
    const auto right = [&](size_t p) { return found_[p].finding <= optim::Finding::kUnmeasured; };
    const bool good = measured_[g].measured &&
                      std::all_of(groups_[g].members.begin(), groups_[g].members.end(), right);
    if (good && (best == groups_.size() || measured_[g].rate > measured_[best].rate)) best = g;
  }
  for (size_t g = 0; g < groups_.size() && best == groups_.size(); ++g)
    if (measured_[g].measured) best = g;
  return best;
}

// One alarm per group whose rate is wrong: about its ratio to the reference if that is wrong too.
void Verifier::check_groups(int64_t t) {
  const size_t best = reference();
  for (size_t g = 0; g < groups_.size(); ++g) {
    const Group& group = measured_[g];
    std::vector<size_t> wrong;
    for (const size_t p : groups_[g].members)
      if (found_[p].finding == optim::Finding::kRate) wrong.push_back(p);
    std::string ratio;
    if (group.measured && g != best) {
      const Group& other = measured_[best];
      const double configured = group.rate / other.rate, realised = group.realised / other.realised;
      const double rounding =
          group.uncertainty / std::abs(group.rate) + other.uncertainty / std::abs(other.rate);
      if (std::abs(realised / configured - 1) > kRatio + rounding)
        ratio = fmt::format("; that is {:.4g} times the rate of '{}', configured is {:.4g} times",
                            realised, described_[best].name, configured);
    }
    if (wrong.empty() && ratio.empty()) continue;
    const size_t first = wrong.empty() ? groups_[g].members[0] : wrong[0];
    const double rate = wrong.empty() ? group.realised : found_[first].realised;
    alarm(t, ratio.empty() ? "rate" : "ratio", wrong.empty() ? groups_[g].members : wrong,
          fmt::format("{} at the rate {:.4g} instead of {:.4g} ({}){}",
                      wrong.size() > 1
                          ? fmt::format("'{}' and {} more learn", name(first), wrong.size() - 1)
                          : fmt::format("'{}' learns", name(first)),
                      rate, found_[first].rate, settings_of(first, t), ratio));
  }
}

void Verifier::check_params(int64_t t) {
  for (size_t p = 0; p < found_.size(); ++p) {
    const optim::ParamSettings& settings = optimizer_.params()[p].settings;
    const std::string kind = optim::name_of(found_[p].finding);
    switch (found_[p].finding) {
      case optim::Finding::kFrozenMoved:
        alarm(t, kind, {p},
              fmt::format("'{}' is frozen ({}), but its values changed", name(p),
                          settings.freeze_place.text()));
        break;
      case optim::Finding::kDecayOnly:
        alarm(t, kind, {p},
              fmt::format("'{}' moves by weight decay only: no gradient reaches it ({})", name(p),
                          reasons_[p]));
        break;
      case optim::Finding::kFormula:
        alarm(t, kind, {p},
              fmt::format("'{}' moves in another way than {} says", name(p),
                          optimizer_.group(p).type));
        break;
      default:
        break;  // nothing wrong, or said of its group
    }
  }
}

const std::string& Verifier::name(size_t param) const {
  return optimizer_.params()[param].name;
}

// "learning rate 0.01 x lr_mult 0.1, solver.prototxt:3:4"
std::string Verifier::settings_of(size_t param, int64_t t) const {
  const optim::ParamSettings& settings = optimizer_.params()[param].settings;
  std::string out = fmt::format("learning rate {:.4g} x lr_mult {:.4g}",
                                optimizer_.group(param).policy->rate(t), settings.lr_mult.at(t));
  if (settings.lr_mult_place.known()) out += ", " + settings.lr_mult_place.text();
  return out;
}

std::string Verifier::summary() const {
  const std::string updates =
      fmt::format("{} update{} verified", verified_, verified_ == 1 ? "" : "s");
  if (alarms_ == 0) return updates + ": every parameter learned at its configured rate";
  return updates + fmt::format(": {} alarm{}", alarms_, alarms_ == 1 ? "" : "s");
}

}  // namespace crema::train
