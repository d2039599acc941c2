#include "optim/optimizer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "optim/fields.hpp"
#include "optim/memory.hpp"

namespace crema::optim {

namespace {

void check_param(const Param& param, Diagnostics& found) {
  CREMA_CHECK(param.gradient.empty() || param.value.size() == param.gradient.size(),
              param.name + ": sizes differ");
  const ParamSettings& s = param.settings;
  for (const auto& [field, x, place] :
       {std::tuple("lr_mult", s.lr_mult.at(0), s.lr_mult_place),
        std::tuple("decay_mult", s.decay_mult.at(0), s.decay_mult_place)})
    if (!std::isfinite(x))
      found
          .add(Error(ErrorCode::kConfig, fmt::format("{} of parameter '{}' must be finite, not {}",
                                                     field, param.name, x)))
          .at(place);
}

Ema make_ema(const config::SolverConfig& solver, std::span<const Param> params,
             Diagnostics& found) {
  Ema out = Ema(config::SolverConfig{}, {});
  found.guard([&] { out = Ema(solver, params); });
  return out;
}

}  // namespace

Optimizer::Optimizer(const config::SolverConfig& solver, std::vector<Param> params,
                     const RunLength& run)
    : params_(std::move(params)),
      step_counts_(params_.size(), 0),
      ema_(config::SolverConfig{}, {}),
      iter_size_(solver.param.iter_size()) {
  Diagnostics found;
  make_groups(solver, run, found);
  found.guard([&] {
    Fields fields(solver);
    fields.check(iter_size_ > 0, "iter_size", "> 0");
    fields.done();
    clipper_ = Clipper(solver, params_);
  });
  ema_ = make_ema(solver, params_, found);
  for (const Param& param : params_) check_param(param, found);
  found.throw_if_any();
  memory_.resize(params_.size());
  slots_.resize(params_.size());
  for (size_t p = 0; p < params_.size(); ++p) take_state(p);
  if (solver.param.snapshot_diff())
    for (const Param& param : params_) steps_.emplace_back(param.value.size(), 0.0f);
  prepare(0);
}

void Optimizer::make_groups(const config::SolverConfig& solver, const RunLength& run,
                            Diagnostics& found) {
  std::vector<int> rules{-1};
  for (int r = 0; r < solver.param.param_rule_size(); ++r)
    if (solver.param.param_rule(r).has_optimizer()) rules.push_back(r);
  bool made = true;
  for (const int rule : rules)
    made &= found.guard(
        [&] { groups_.push_back(std::make_unique<Group>(make_group(solver, rule, run))); });
  if (!made) return;
  for (const Param& param : params_)
    group_of_.push_back(static_cast<size_t>(
        std::find(rules.begin(), rules.end(), param.settings.optimizer_rule) - rules.begin()));
  check_momentum_correction(solver, found);
}

void Optimizer::check_momentum_correction(const config::SolverConfig& solver,
                                          Diagnostics& found) const {
  const auto corrects = [](const std::unique_ptr<Group>& group) {
    return group->update->rate_in_velocity();
  };
  if (!solver.param.warmup().momentum_correction() ||
      std::any_of(groups_.begin(), groups_.end(), corrects))
    return;
  found
      .add(Error(ErrorCode::kConfig,
                 fmt::format("there is no momentum to correct: type: \"{}\" keeps the rate outside "
                             "of what it remembers",
                             solver.param.type())))
      .at(solver.places.at("warmup.momentum_correction"))
      .advise("remove momentum_correction");
}

void Optimizer::set_gradient(size_t param, std::span<const float> gradient) {
  Param& changed = params_.at(param);
  CREMA_CHECK(gradient.empty() || gradient.size() == changed.value.size(),
              changed.name + ": sizes differ");
  changed.gradient = gradient;
  clipper_.set_gradients(params_);
}

void Optimizer::give_state(size_t param) {
  const std::vector<size_t> sizes(slot_names(param).size(), params_[param].value.size());
  slots_[param].clear();
  memory_[param] = allocate(sizes, slots_[param]);
  step_counts_[param] = 0;
}

void Optimizer::take_state(size_t param) {
  memory_[param].reset();
  slots_[param].assign(slot_names(param).size(), {});
  step_counts_[param] = 0;
}

// A parameter that freezes forgets its velocity and averages, unless it is to hold them.
void Optimizer::prepare(int64_t t) {
  for (size_t p = 0; p < params_.size(); ++p) {
    const ParamSettings& settings = params_[p].settings;
    const bool keep = settings.hold_slots || !settings.freeze.at(t);
    if (keep == (memory_[p] != nullptr)) continue;
    if (keep)
      give_state(p);
    else
      take_state(p);
  }
}

size_t Optimizer::state_bytes() const {
  size_t bytes = 0;
  for (const auto& memory : memory_)
    if (memory) bytes += memory->bytes();
  return bytes;
}

bool Optimizer::uniform() const {
  const auto same = [&](size_t g) {
    return groups_[g]->type == groups_[group_of_[0]]->type &&
           groups_[g]->update->slots() == groups_[group_of_[0]]->update->slots();
  };
  return std::all_of(group_of_.begin(), group_of_.end(), same);
}

double Optimizer::rate(size_t param, int64_t t) const {
  const ParamSettings& settings = params_[param].settings;
  if (settings.freeze.at(t)) return 0;
  return group(param).policy->rate_of(t, settings.lr_mult.at(t));
}

double Optimizer::weight_decay(size_t param, int64_t t) const {
  const Group& g = group(param);
  return g.weight_decay.at(t, g.policy->rate(t)) * params_[param].settings.decay_mult.at(t);
}

double Optimizer::momentum(size_t param, int64_t t) const {
  const Group& g = group(param);
  return g.momentum.at(t, g.policy->rate(t));
}

void Optimizer::apply(size_t p, std::span<const float> gradient, size_t first) {
  const int64_t t = update_;
  const Param& param = params_[p];
  const ParamSettings& settings = param.settings;
  const Group& g = group(p);
  const double grad_mult = settings.grad_mult.at(t);
  StepInfo info;
  info.policy_rate = g.policy->rate(t);
  info.rate = rate(p, t);
  info.step_count = step_counts_[p];
  info.gradient_scale = clipper_.scale(p) / iter_size_;
  if (clipper_.value() > 0) {
    info.clip_value = clipper_.value();
    (settings.grad_mult_before_clip ? info.gradient_scale : info.after_clip) *= grad_mult;
  } else {
    info.gradient_scale *= grad_mult;
  }
  (g.l1 ? info.l1 : info.l2) = weight_decay(p, t);
  info.momentum = momentum(p, t);
  info.momentum_scale = g.policy->momentum_scale(t);
  if (adjust) adjust(p, info);
  const size_t count = gradient.size();
  const std::span<float> taken =
      steps_.empty() ? std::span<float>() : std::span(steps_[p]).subspan(first, count);
  if (count == param.value.size()) {
    g.update->step({param.value, gradient, slots_[p], taken}, info);
  } else {
    CREMA_CHECK(g.update->elementwise(), param.name + ": its optimizer needs the whole gradient");
    std::vector<std::span<float>> slots;
    for (const std::span<float> slot : slots_[p]) slots.push_back(slot.subspan(first, count));
    g.update->step({param.value.subspan(first, count), gradient, slots, taken}, info);
  }
  if (first + count == param.value.size()) ++step_counts_[p];
}

void Optimizer::begin(int64_t t) {
  update_ = t;
  stepped_.assign(params_.size(), 0);
  prepare(t);
  clipper_.measure(t, params_);
}

void Optimizer::step(size_t p, std::span<const float> gradient, size_t first) {
  const size_t count = params_[p].value.size();
  CREMA_CHECK(gradient.size() <= count - first, params_[p].name + ": sizes differ");
  CREMA_CHECK(stepped_[p] == first, params_[p].name + " is updated twice, or in no order");
  stepped_[p] += gradient.size();
  if (!params_[p].settings.freeze.at(update_) && !gradient.empty())
    apply(p, gradient, first);
  else if (!steps_.empty())
    std::fill(steps_[p].begin(), steps_[p].end(), 0.0f);
}

UpdateReport Optimizer::finish() {
  for (size_t p = 0; p < params_.size(); ++p)
    if (stepped_[p] == 0) step(p, params_[p].gradient);
  ema_.update(params_);
  UpdateReport report;
  report.rate = policy().rate(update_);
  report.gradient_norm = clipper_.largest_norm();
  report.clip_scale = clipper_.largest_scale();
  return report;
}

UpdateReport Optimizer::update(int64_t t) {
  begin(t);
  return finish();
}

}  // namespace crema::optim
