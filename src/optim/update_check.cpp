#include "optim/update_check.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include "optim/overlay.hpp"

namespace crema::optim {

namespace {

constexpr size_t kSampled = 65536, kBlock = 1024;  // elements of a parameter at most; at a stretch
// Updates compute in float: what the formulas in double may differ by.
constexpr double kArithmetic = 1e-3;
// A step in another way than the formula's: part of the step that its direction does not explain.
constexpr double kUnexplained = 1e-2;

// Distance to the next float: a stored value is exact to half of it.
double spacing(float a, float b) {
  const float x = std::max(std::abs(a), std::abs(b));
  return std::nextafter(x, std::numeric_limits<float>::infinity()) - x;
}

// Changes with every bit of every element.
uint64_t bits_of(std::span<const float> values) {
  constexpr size_t kLanes = 8;
  uint64_t lanes[kLanes] = {};
  for (size_t i = 0; i < values.size(); ++i) {
    uint64_t& h = lanes[i % kLanes];
    h = (h ^ std::bit_cast<uint32_t>(values[i])) * 0x9e3779b97f4a7c15u;
    h ^= h >> 29;
  }
  uint64_t out = values.size();
  for (const uint64_t h : lanes) out = (out ^ h) * 0x9e3779b97f4a7c15u + 1;
  return out;
}

// Frozen from update `a` to update `b` without a break.
bool frozen_between(const FreezeTime& freeze, int64_t a, int64_t b) {
  return b < freeze.until || (freeze.from && a >= *freeze.from) ||
         (freeze.from && *freeze.from <= freeze.until && freeze.at(a) && freeze.at(b));
}

}  // namespace

std::string name_of(Finding finding) {
  switch (finding) {
    case Finding::kNone:
      return "ok";
    case Finding::kUnmeasured:
      return "unmeasured";
    case Finding::kFrozenMoved:
      return "frozen_moved";
    case Finding::kDecayOnly:
      return "decay_only";
    case Finding::kRate:
      return "rate";
    case Finding::kFormula:
      return "formula";
  }
  return "";
}

UpdateCheck::UpdateCheck(const config::SolverConfig& solver, std::vector<bool> state)
    : solver_(solver),
      state_(std::move(state)),
      gradient_norms_(state_.size()),
      samples_(state_.size()),
      checks_(state_.size()),
      bits_(state_.size()),
      no_gradient_(state_.size()) {}

void UpdateCheck::before(Optimizer& optimizer, int64_t t, const std::vector<bool>& reached) {
  reached_ = reached;
  const std::vector<Param>& params = optimizer.params();
  expected_.assign(params.size(), false);
  for (size_t p = 0; p < params.size(); ++p) gradient_norms_[p] = length_of(params[p].gradient);
  for (size_t p = 0; p < params.size(); ++p) {
    const ParamSettings& settings = params[p].settings;
    ParamCheck& check = checks_[p] = ParamCheck{};
    check.state = state_[p];
    check.frozen = settings.freeze.at(t) && !(check.state && settings.live_statistics);
    check.weight = length_of(params[p].value);
    if (!check.frozen) {
      bits_[p].reset();
      if (!params[p].gradient.empty()) expect(optimizer, p, t, params[p].gradient, 0);
      continue;
    }
    // The last check left the bits of a parameter that has been frozen since.
    const uint64_t bits = bits_of(params[p].value);
    const bool known = bits_[p] && last_ >= 0 && frozen_between(settings.freeze, last_, t);
    if (known && *bits_[p] != bits) check.finding = Finding::kFrozenMoved;
    bits_[p] = bits;
  }
}

void UpdateCheck::before(Optimizer& optimizer, int64_t t, size_t p, std::span<const float> gradient,
                         size_t first) {
  if (checks_[p].frozen) return;
  gradient_norms_[p] =
      first == 0 ? length_of(gradient) : std::hypot(gradient_norms_[p], length_of(gradient));
  expect(optimizer, p, t, gradient, first);
}

// The scale that clipping by norm gives to parameter p's gradients, from the norms measured here.
double UpdateCheck::clip_scale(const Optimizer& optimizer, size_t p, int64_t t) const {
  const Clipper& clipper = optimizer.clipper();
  if (!clipper.by_norm()) return 1;
  double squares = 0;
  for (size_t q = 0; q < gradient_norms_.size(); ++q) {
    const ParamSettings& settings = optimizer.params()[q].settings;
    if (clipper.scope(q) != clipper.scope(p) || settings.freeze.at(t)) continue;
    const double factor = settings.grad_mult_before_clip ? settings.grad_mult.at(t) : 1;
    squares += std::pow(gradient_norms_[q] * factor, 2);
  }
  const double passes = solver_.param.caffe_compat() ? 1 : solver_.param.iter_size();
  const double norm = std::sqrt(squares) / passes;
  return norm > clipper.limit() ? clipper.limit() / norm : 1;
}

const caffe::SolverParameter& UpdateCheck::settings_of(int rule) {
  for (const auto& [known, settings] : settings_)
    if (known == rule) return settings;
  settings_.emplace_back(rule, rule < 0 ? solver_.param : with_optimizer_of(solver_, rule).param);
  return settings_.back().second;
}

StepFacts UpdateCheck::facts_of(Optimizer& optimizer, size_t p, int64_t t,
                                std::span<const float> gradient, size_t first) const {
  const Param& param = optimizer.params()[p];
  const ParamSettings& settings = param.settings;
  const Group& group = optimizer.group(p);
  StepFacts facts;
  facts.value = param.value.subspan(first, gradient.size());
  facts.gradient = gradient;
  for (size_t k = 0; k < group.update->slots().size(); ++k)
    facts.slots.push_back(optimizer.slot(k, p).subspan(first, gradient.size()));
  facts.policy_rate = group.policy->rate(t);
  facts.rate = group.policy->rate_of(t, settings.lr_mult.at(t));
  facts.step_count = optimizer.step_count(p);
  facts.gradient_scale = clip_scale(optimizer, p, t) / solver_.param.iter_size();
  facts.clip_value = optimizer.clipper().value();
  const double grad_mult = settings.grad_mult.at(t);
  if (facts.clip_value > 0 && !settings.grad_mult_before_clip)
    facts.after_clip = grad_mult;
  else
    facts.gradient_scale *= grad_mult;
  (group.l1 ? facts.l1 : facts.l2) =
      group.weight_decay.at(t, facts.policy_rate) * settings.decay_mult.at(t);
  facts.momentum = group.momentum.at(t, facts.policy_rate);
  facts.momentum_scale = group.policy->momentum_scale(t);
  return facts;
}

void UpdateCheck::choose_blocks(Sample& sample, size_t count) const {
  if (!sample.blocks.empty()) return;
  sample.block = count <= kSampled ? count : kBlock;
  const size_t blocks = count <= kSampled ? 1 : kSampled / kBlock;
  for (size_t b = 0; b < blocks; ++b)
    sample.blocks.push_back(blocks == 1 ? 0 : (count - kBlock) * b / (blocks - 1));
}

void UpdateCheck::expect(Optimizer& optimizer, size_t p, int64_t t, std::span<const float> gradient,
                         size_t first) {
  checks_[p].gradient = gradient_norms_[p] / solver_.param.iter_size();
  if (checks_[p].state) return;
  expected_[p] = true;
  const auto* formula = Registry<StepFormulaTag>::instance().find(optimizer.group(p).type);
  Sample& sample = samples_[p];
  if (first == 0) {
    sample.before.clear();
    sample.expected.clear();
    sample.direction.clear();
  }
  StepFacts facts = facts_of(optimizer, p, t, gradient, first);
  checks_[p].rate = facts.rate;
  if (formula == nullptr) return;
  facts.solver = &settings_of(optimizer.group(p).rule);
  const ElementFormula step = (*formula)(facts);
  choose_blocks(sample, optimizer.params()[p].value.size());
  const size_t end = first + gradient.size();
  for (const size_t block : sample.blocks)
    for (size_t at = std::max(block, first); at < std::min(block + sample.block, end); ++at) {
      const size_t i = at - first;
      const ElementStep s = step(i);
      const double w = facts.value[i];
      sample.before.push_back(facts.value[i]);
      sample.expected.push_back(static_cast<float>(w - (s.carried + facts.rate * s.direction)));
      sample.direction.push_back(static_cast<float>(s.direction));
    }
}

void UpdateCheck::compare(const Param& param, size_t p, ParamCheck& out) const {
  const Sample& sample = samples_[p];
  double along = 0, directions = 0, rounding_along = 0;  // sums over the sample
  double missed = 0, rounding = 0, steps = 0, moved = 0;
  size_t k = 0;
  for (const size_t begin : sample.blocks)
    for (size_t i = begin; i < begin + sample.block; ++i, ++k) {
      const double before = sample.before[k], expected = sample.expected[k], after = param.value[i];
      const double d = sample.direction[k], miss = after - expected;
      const double u = spacing(sample.before[k], sample.expected[k]);
      along += miss * d;
      directions += d * d;
      rounding_along += u * u * d * d;
      missed += miss * miss;
      rounding += u * u;
      steps += std::pow(expected - before, 2) + std::pow(out.rate * d, 2);
      moved += std::pow(after - before, 2);
    }
  const double share =
      static_cast<double>(param.value.size()) / static_cast<double>(std::max<size_t>(k, 1));
  out.update = std::sqrt(moved * share);
  if (!(directions > 0) || !std::isfinite(missed)) {
    out.finding = Finding::kUnmeasured;
    return;
  }
  out.has_step = true;
  out.realised = out.rate - along / directions;
  out.uncertainty = std::sqrt(rounding_along) / directions;
  const double allowed = kArithmetic * std::abs(out.rate) + out.uncertainty;
  const double rest = missed - along * along / directions;
  if (std::abs(out.realised - out.rate) > allowed)
    out.finding = Finding::kRate;
  else if (rest > 4 * rounding + kUnexplained * kUnexplained * steps)
    out.finding = Finding::kFormula;
  else if (out.rate != 0 && out.uncertainty > std::abs(out.rate))
    out.finding = Finding::kUnmeasured;
}

std::vector<ParamCheck> UpdateCheck::after(const Optimizer& optimizer, int64_t t) {
  const std::vector<Param>& params = optimizer.params();
  for (size_t p = 0; p < params.size(); ++p) {
    ParamCheck& check = checks_[p];
    if (check.frozen) {
      if (bits_of(params[p].value) != *bits_[p]) check.finding = Finding::kFrozenMoved;
      continue;
    }
    if (!expected_[p]) {
      check.finding = Finding::kUnmeasured;
      continue;
    }
    compare(params[p], p, check);
    // Twice in a row: a single batch may well leave a parameter without a gradient.
    no_gradient_[p] = check.gradient == 0 ? no_gradient_[p] + 1 : 0;
    const bool unreached = !reached_[p] || no_gradient_[p] >= 2;
    if (check.finding <= Finding::kUnmeasured && unreached && check.update > 0 &&
        optimizer.weight_decay(p, t) != 0)
      check.finding = Finding::kDecayOnly;
  }
  last_ = t;
  return checks_;
}

}  // namespace crema::optim
