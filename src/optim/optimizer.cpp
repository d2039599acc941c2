#include "optim/optimizer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/parallel.hpp"
#include "base/text.hpp"
#include "optim/fields.hpp"

namespace crema::optim {

namespace {

// Fixed, so that the sum does not depend on the number of threads.
constexpr size_t kNormBlock = 16384;

double sum_of_squares(std::span<const float> values) {
  constexpr size_t kLanes = 8;  // independent sums, in an order that vector code can keep
  double lanes[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= values.size(); i += kLanes)
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const double x = values[i + lane];
      lanes[lane] += x * x;
    }
  double sum = 0;
  for (; i < values.size(); ++i) sum += static_cast<double>(values[i]) * values[i];
  for (const double lane : lanes) sum += lane;
  return sum;
}

void check_param(const Param& param, Diagnostics& found) {
  CREMA_CHECK(param.value.size() == param.gradient.size(), param.name + ": sizes differ");
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

}  // namespace

Optimizer::Optimizer(const config::SolverConfig& solver, std::vector<Param> params)
    : params_(std::move(params)), step_counts_(params_.size(), 0) {
  Diagnostics found;
  found.guard([&] { rule_ = make_rule(solver); });
  found.guard([&] { policy_ = make_policy(solver); });
  found.guard([&] { read_settings(solver); });
  for (const Param& param : params_) check_param(param, found);
  found.throw_if_any();
  allocate_state();
}

void Optimizer::read_settings(const config::SolverConfig& solver) {
  Fields fields(solver);
  weight_decay_ = fields.number("weight_decay");
  clip_gradients_ = fields.number("clip_gradients");
  fields.check(clip_gradients_ != 0, "clip_gradients", "> 0, or < 0 for no clipping",
               "0 would scale every gradient down to nothing");
  iter_size_ = solver.param.iter_size();
  fields.check(iter_size_ > 0, "iter_size", "> 0");
  const std::string& kind = solver.param.regularization_type();
  l1_ = kind == "L1";
  if (!l1_ && kind != "L2")
    fields.fail("regularization_type", fmt::format("unknown regularization_type '{}'", kind))
        .advise(suggestion(kind, {"L1", "L2"}));
  fields.done();
  clip_before_average_ = solver.param.caffe_compat();
  keep_steps_ = solver.param.snapshot_diff();
}

void Optimizer::allocate_state() {
  slots_.resize(rule_->slots().size());
  const size_t kinds = slots_.size() + (keep_steps_ ? 1 : 0);
  const auto rounded = [](size_t elements) {
    const size_t step = Arena::kAlignment / sizeof(float);
    return (elements + step - 1) / step * step;
  };
  size_t total = 0;
  for (const Param& param : params_) total += rounded(param.value.size());
  memory_ = std::make_unique<Arena>(total * kinds * sizeof(float));
  auto* next = reinterpret_cast<float*>(memory_->data());
  const auto take = [&](std::vector<std::span<float>>& spans) {
    for (const Param& param : params_) {
      spans.emplace_back(next, param.value.size());
      next += rounded(param.value.size());
    }
  };
  for (auto& slot : slots_) take(slot);
  if (keep_steps_) take(steps_);
  if (clip_gradients_ < 0) return;
  for (int p = 0; p < static_cast<int>(params_.size()); ++p) {
    const std::span<const float> gradient = params_[static_cast<size_t>(p)].gradient;
    for (size_t at = 0; at < gradient.size(); at += kNormBlock)
      norm_blocks_.push_back({p, gradient.subspan(at, std::min(kNormBlock, gradient.size() - at))});
  }
  norm_sums_.resize(norm_blocks_.size());
}

std::span<float> Optimizer::slot(int slot, int param) {
  return slots_.at(static_cast<size_t>(slot)).at(static_cast<size_t>(param));
}

double Optimizer::norm_of_sum(int64_t t) {
  parallel_for(static_cast<int64_t>(norm_blocks_.size()), 2, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      const NormBlock& block = norm_blocks_[i];
      const ParamSettings& settings = params_[static_cast<size_t>(block.param)].settings;
      norm_sums_[i] = settings.freeze.at(t) ? 0 : sum_of_squares(block.gradient);
      if (settings.grad_mult_before_clip)
        norm_sums_[i] *= settings.grad_mult.at(t) * settings.grad_mult.at(t);
    }
  });
  double sum = 0;
  for (const double part : norm_sums_) sum += part;
  return std::sqrt(sum);
}

// Averaging and clipping as one factor on the gradients.
double Optimizer::gradient_scale(int64_t t, UpdateReport& report) {
  const double average = 1.0 / iter_size_;
  if (clip_gradients_ < 0) return average;
  report.gradient_norm = norm_of_sum(t) * (clip_before_average_ ? 1.0 : average);
  if (report.gradient_norm > clip_gradients_)
    report.clip_scale = clip_gradients_ / report.gradient_norm;
  return average * report.clip_scale;
}

// A parameter that freezes at t forgets its velocity and averages, unless it is to hold them. That
// is part of the first frozen update, so that a resume in between repeats it to no effect.
void Optimizer::freeze_and_thaw(int64_t t) {
  for (size_t i = 0; i < params_.size(); ++i) {
    const ParamSettings& settings = params_[i].settings;
    if (settings.hold_slots || !settings.freeze.at(t) || (t > 0 && settings.freeze.at(t - 1)))
      continue;
    for (auto& slot : slots_) std::fill(slot[i].begin(), slot[i].end(), 0.0f);
    step_counts_[i] = 0;
  }
}

UpdateReport Optimizer::update(int64_t t) {
  UpdateReport report;
  report.rate = policy_->rate(t);
  freeze_and_thaw(t);
  const double scale = gradient_scale(t, report);
  StepInfo info;
  std::vector<std::span<float>> slots(slots_.size());
  for (size_t i = 0; i < params_.size(); ++i) {
    const Param& param = params_[i];
    const std::span<float> taken = keep_steps_ ? steps_[i] : std::span<float>();
    if (param.settings.freeze.at(t)) {
      std::fill(taken.begin(), taken.end(), 0.0f);
      continue;
    }
    for (size_t k = 0; k < slots.size(); ++k) slots[k] = slots_[k][i];
    info.rate = policy_->rate_of(t, param.settings.lr_mult.at(t));
    info.gradient_scale = scale * param.settings.grad_mult.at(t);
    info.step_count = step_counts_[i]++;
    (l1_ ? info.l1 : info.l2) = weight_decay_ * param.settings.decay_mult.at(t);
    rule_->step({param.value, param.gradient, slots, taken}, info);
  }
  return report;
}

}  // namespace crema::optim
