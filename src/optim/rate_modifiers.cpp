#include "optim/rate_modifiers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "optim/fields.hpp"

namespace crema::optim {

namespace {

// A policy around another one, which it is but for what is overridden.
class Modified : public LrPolicy {
 public:
  explicit Modified(std::unique_ptr<LrPolicy> inner) : inner_(std::move(inner)) {}
  double rate(int64_t t) const override { return rate_of(t, 1); }
  double momentum_scale(int64_t t) const override { return inner_->momentum_scale(t); }
  int current_step(int64_t t) const override { return inner_->current_step(t); }
  std::vector<int64_t> boundaries(int64_t max_iter) const override {
    return inner_->boundaries(max_iter);
  }
  MetricFollower* follower() override { return inner_->follower(); }

 protected:
  std::unique_ptr<LrPolicy> inner_;
};

class Floored : public Modified {
 public:
  Floored(std::unique_ptr<LrPolicy> inner, double floor, bool absolute)
      : Modified(std::move(inner)), floor_(floor), absolute_(absolute) {}

  double rate_of(int64_t t, double lr_mult) const override {
    if (lr_mult == 0) return 0;
    if (!absolute_) return lr_mult * floored(t, inner_->rate(t));
    return std::copysign(floored(t, inner_->rate_of(t, std::abs(lr_mult))), lr_mult);
  }
  std::string formula() const override {
    return inner_->stops_at_floor() && inner_->floor_share(1) == 0
               ? fmt::format("max(min_lr, {})", inner_->formula())
               : inner_->formula() + ", led down to min_lr instead of to 0";
  }

 private:
  double floored(int64_t t, double rate) const {
    rate += inner_->floor_share(t) * floor_;
    return inner_->stops_at_floor() ? std::max(rate, floor_) : rate;
  }
  double floor_;
  bool absolute_;
};

using Shape = caffe::WarmupParameter::Shape;

struct Warmup {
  int64_t length = 0;
  Shape shape = caffe::WarmupParameter::LINEAR;
  double start_lr = 0;
  std::optional<double> start_factor;
  std::optional<double> target;  // unset: the rate of the policy
  double floor = 0;
  bool corrects_momentum = false, corrects_at_end = true;
};

class WarmedUp : public Modified {
 public:
  WarmedUp(std::unique_ptr<LrPolicy> inner, const Warmup& warmup)
      : Modified(std::move(inner)), w_(warmup) {}

  double rate_of(int64_t t, double lr_mult) const override {
    if (t >= w_.length) return inner_->rate_of(t, lr_mult);
    const double target = w_.target ? *w_.target * lr_mult : inner_->rate_of(t, lr_mult);
    const double start = w_.start_factor ? *w_.start_factor * target : w_.start_lr * lr_mult;
    const double rate = start + (target - start) * progress(t);
    return w_.floor > 0 && lr_mult > 0 ? std::max(rate, w_.floor * lr_mult) : rate;
  }
  double momentum_scale(int64_t t) const override {
    if (!w_.corrects_momentum || t < 1 || t >= w_.length + (w_.corrects_at_end ? 1 : 0)) return 1;
    const double before = rate(t - 1);
    return before == 0 ? 1 : rate(t) / before;  // after a rate of 0 there is no velocity yet
  }
  std::vector<int64_t> boundaries(int64_t max_iter) const override {
    std::vector<int64_t> out = inner_->boundaries(max_iter);
    // A fixed target hides what the policy does meanwhile.
    if (w_.target) std::erase_if(out, [&](int64_t t) { return t < w_.length; });
    const auto at = std::lower_bound(out.begin(), out.end(), w_.length);
    if (w_.length < max_iter && (at == out.end() || *at != w_.length)) out.insert(at, w_.length);
    return out;
  }
  std::string formula() const override {
    return fmt::format("{}, after {} iterations of warm-up ({}{})", inner_->formula(), w_.length,
                       caffe::WarmupParameter::Shape_Name(w_.shape),
                       w_.corrects_momentum ? ", momentum corrected" : "");
  }

 private:
  double progress(int64_t t) const {
    const double a = static_cast<double>(t) / static_cast<double>(w_.length);
    if (w_.shape == caffe::WarmupParameter::CONSTANT) return 0;
    return w_.shape == caffe::WarmupParameter::QUADRATIC ? a * a : a;
  }
  Warmup w_;
};

double floor_of(const config::SolverConfig& solver, const LrPolicy& policy) {
  return solver.param.has_min_lr() ? solver.param.min_lr() : policy.default_floor();
}

void check_floor(const config::SolverConfig& solver) {
  Fields fields(solver);
  const double floor = fields.number("min_lr");
  fields.check(floor >= 0, "min_lr", ">= 0");
  if (solver.param.has_base_lr() && solver.param.has_min_lr())
    fields.check(!(floor > solver.param.base_lr()), "min_lr", "<= base_lr",
                 "a floor above base_lr would make it the rate of the whole run");
  if (solver.param.has_min_lr_mode() && !solver.param.has_min_lr())
    fields.fail("min_lr_mode", "min_lr_mode without min_lr").advise("add min_lr, or remove it");
  fields.done();
}

// The mistakes of the own message.
void check_warmup(const config::SolverConfig& solver) {
  const caffe::WarmupParameter& warmup = solver.param.warmup();
  Fields fields(warmup, solver.places.inside("warmup"), "warmup");
  const double n = fields.number("iterations"), part = fields.number("fraction");
  if (warmup.has_iterations() == warmup.has_fraction())
    fields.fail(warmup.has_fraction() ? "fraction" : "iterations",
                "warmup needs exactly one of iterations and fraction");
  if (warmup.has_iterations()) fields.check(n >= 1, "iterations", ">= 1");
  if (warmup.has_fraction()) {
    fields.check(part > 0 && part < 1, "fraction", "between 0 and 1 (exclusive)",
                 "it is a part of max_iter");
    if (solver.param.max_iter() <= 0)
      fields.fail("fraction", "a fraction of the run needs max_iter, which is not set");
  }
  fields.check(fields.number("start_lr") >= 0, "start_lr", ">= 0");
  const double factor = fields.number("start_factor");
  fields.check(factor >= 0 && factor <= 1, "start_factor", "in [0, 1]",
               "it is the part of the rate to begin with");
  if (warmup.has_start_lr() && warmup.has_start_factor())
    fields.fail("start_factor", "both start_lr and start_factor are given").advise("keep one");
  fields.done();
}

// The fields of other Caffes, and that only one warm-up is asked for.
void check_aliases(const config::SolverConfig& solver) {
  Fields fields(solver);
  for (const auto& [length, start] :
       {std::pair("rampup_interval", "rampup_lr"), {"warmup_iter", "warmup_start_lr"}}) {
    fields.check(fields.number(length) >= 0, length, ">= 0");
    fields.check(fields.number(start) >= 0, start, ">= 0");
    if (fields.has(start) && !fields.has(length))
      fields.fail(start, fmt::format("{} without {}", start, length));
    if (fields.has(length) && !fields.has("base_lr"))
      fields.fail(length, fmt::format("{} needs base_lr, which is not set", length));
  }
  const caffe::SolverParameter& s = solver.param;
  if (s.has_warmup() + (s.rampup_interval() > 0) + (s.warmup_iter() > 0) > 1)
    fields
        .fail(s.warmup_iter() > 0 ? "warmup_iter" : "rampup_interval",
              "more than one warm-up is asked for")
        .advise("keep one of warmup, rampup_interval and warmup_iter");
  fields.done();
}

std::optional<Warmup> own_warmup(const caffe::SolverParameter& solver) {
  const caffe::WarmupParameter& from = solver.warmup();
  Warmup out;
  out.length = from.has_iterations()
                   ? from.iterations()
                   : static_cast<int64_t>(std::ceil(from.fraction() * solver.max_iter()));
  out.shape = from.shape();
  if (from.has_start_lr())
    out.start_lr = from.start_lr();
  else
    out.start_factor = from.start_factor();
  out.corrects_momentum = from.momentum_correction();
  return out;
}

std::optional<Warmup> read_warmup(const caffe::SolverParameter& solver) {
  if (solver.has_warmup()) return own_warmup(solver);
  Warmup out;
  out.target = solver.base_lr();
  if (solver.rampup_interval() > 0) {
    out.length = solver.rampup_interval();
    out.shape = caffe::WarmupParameter::QUADRATIC;
    out.start_lr = solver.rampup_lr();
    out.floor = solver.min_lr();
    return out;
  }
  if (solver.warmup_iter() <= 0) return std::nullopt;
  out.length = solver.warmup_iter();
  out.start_lr = solver.warmup_start_lr();
  out.corrects_momentum = true;
  out.corrects_at_end = false;
  return out;
}

}  // namespace

void check_modifiers(const config::SolverConfig& solver, Diagnostics& found) {
  found.guard([&] { check_floor(solver); });
  if (solver.param.has_warmup()) found.guard([&] { check_warmup(solver); });
  found.guard([&] { check_aliases(solver); });
}

std::unique_ptr<LrPolicy> with_floor(const config::SolverConfig& solver,
                                     std::unique_ptr<LrPolicy> policy) {
  const double floor = floor_of(solver, *policy);
  if (floor == 0) return policy;
  const bool absolute = solver.param.min_lr_mode() == caffe::ABSOLUTE;
  return std::make_unique<Floored>(std::move(policy), floor, absolute);
}

std::unique_ptr<LrPolicy> with_warmup(const config::SolverConfig& solver,
                                      std::unique_ptr<LrPolicy> policy) {
  const std::optional<Warmup> warmup = read_warmup(solver.param);
  if (!warmup) return policy;
  return std::make_unique<WarmedUp>(std::move(policy), *warmup);
}

}  // namespace crema::optim
