// crema mechanisms: where scaling a gradient is the same as scaling the step, and where it is not.
//
// Two parameters, pulled towards targets for 30 updates by crema's own optimizers. The first one
// learns at a tenth of the rate, once by lr_mult and once by grad_mult; shown is the largest
// difference between the two ends. The last column compares grad_mult with doing nothing.
#include <fmt/format.h>

#include <cmath>
#include <cstdio>

#include "cli/verbs.hpp"
#include "optim/optimizer.hpp"

namespace crema::cli {

namespace {

constexpr double kFactor = 0.1;
constexpr int kUpdates = 30;
constexpr double kSame = 1e-4;  // rounding of 30 updates in float stays below

struct Row {
  const char* name;
  const char* type;
  double base_lr, momentum;
  caffe::MomentumForm form;
};
constexpr Row kRows[] = {
    {"SGD", "SGD", 0.1, 0, caffe::LR_INSIDE},
    {"SGD, momentum, LR_INSIDE", "SGD", 0.1, 0.9, caffe::LR_INSIDE},
    {"SGD, momentum, LR_OUTSIDE", "SGD", 0.1, 0.9, caffe::LR_OUTSIDE},
    {"Nesterov", "Nesterov", 0.1, 0.9, caffe::LR_INSIDE},
    {"Adam", "Adam", 0.1, 0.9, caffe::LR_INSIDE},
    {"AdamW", "AdamW", 0.1, 0.9, caffe::LR_INSIDE},
    {"RMSProp", "RMSProp", 0.1, 0, caffe::LR_INSIDE},
    {"AdaGrad", "AdaGrad", 0.1, 0, caffe::LR_INSIDE},
};

struct Setting {
  double weight_decay = 0, clip_gradients = -1;
};

config::SolverConfig solver_of(const Row& row, const Setting& setting) {
  config::SolverConfig out;
  caffe::SolverParameter& p = out.param;
  p.set_type(row.type);
  p.set_base_lr(static_cast<float>(row.base_lr));
  p.set_lr_policy("fixed");
  p.set_momentum(static_cast<float>(row.momentum));
  if (row.form != caffe::LR_INSIDE) p.set_momentum_form(row.form);
  p.set_weight_decay(static_cast<float>(setting.weight_decay));
  p.set_clip_gradients(static_cast<float>(setting.clip_gradients));
  return out;
}

// Where both parameters are in the end.
std::vector<float> end_of(const Row& row, const Setting& setting,
                          const optim::ParamSettings& first) {
  constexpr size_t kEach = 4;
  std::vector<float> values(2 * kEach), gradients(2 * kEach);
  const std::span<float> all(values), slopes(gradients);
  optim::Optimizer optimizer(solver_of(row, setting),
                             {{"first", all.first(kEach), slopes.first(kEach), first},
                              {"second", all.last(kEach), slopes.last(kEach), {}}});
  for (int t = 0; t < kUpdates; ++t) {
    for (size_t i = 0; i < values.size(); ++i) {
      const auto x = static_cast<double>(i);
      const double target = 2 * std::sin(1 + x), stiffness = 0.2 + 0.1 * x;
      gradients[i] = static_cast<float>(stiffness * (values[i] - target));
    }
    optimizer.update(t);
  }
  return values;
}

double difference(const std::vector<float>& a, const std::vector<float>& b) {
  double most = 0;
  for (size_t i = 0; i < a.size(); ++i)
    most = std::max(most, std::abs(static_cast<double>(a[i]) - b[i]));
  return most;
}

optim::ParamSettings step_scaled() {
  optim::ParamSettings out;
  out.lr_mult = kFactor;
  return out;
}
optim::ParamSettings gradient_scaled(bool before_clip) {
  optim::ParamSettings out;
  out.grad_mult = kFactor;
  out.grad_mult_before_clip = before_clip;
  return out;
}

std::string cell(double difference, const char* same, const char* other) {
  return fmt::format("{} ({:.1g})", difference < kSame ? same : other, difference);
}

void print_row(const Row& row) {
  const Setting plain, decay{0.1, -1}, clip{0, 0.5};
  const auto against_lr_mult = [&](const Setting& setting, bool before_clip) {
    return cell(difference(end_of(row, setting, gradient_scaled(before_clip)),
                           end_of(row, setting, step_scaled())),
                "equal", "differs");
  };
  const double effect =
      difference(end_of(row, plain, gradient_scaled(false)), end_of(row, plain, {}));
  std::puts(fmt::format("{:<26}  {:<17}  {:<17}  {:<17}  {:<17}  {}", row.name,
                        against_lr_mult(plain, false), against_lr_mult(decay, false),
                        against_lr_mult(clip, true), against_lr_mult(clip, false),
                        cell(effect, "no effect", "works"))
                .c_str());
}

}  // namespace

int mechanisms(Session&) {
  std::printf(
      "grad_mult: %g against lr_mult: %g, largest difference of two parameters after %d updates\n"
      "(weight_decay 0.1 is coupled, but decoupled under AdamW; clip_gradients acts on both)\n\n",
      kFactor, kFactor, kUpdates);
  std::puts(fmt::format("{:<26}  {:<17}  {:<17}  {:<17}  {:<17}  {}", "optimizer",
                        "no decay, no clip", "weight_decay", "clip, BEFORE_CLIP",
                        "clip, AFTER_CLIP", "grad_mult against none")
                .c_str());
  for (const Row& row : kRows) print_row(row);
  std::puts(
      "\nlr_mult scales the step, whatever the optimizer. Scaling the gradient is the same only "
      "under\nSGD and Nesterov, without weight decay, and after the clip.");
  return 0;
}

}  // namespace crema::cli
