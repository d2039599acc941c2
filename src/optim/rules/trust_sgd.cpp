#include "optim/rules/trust_sgd.hpp"

#include "base/text.hpp"
#include "optim/rules/elementwise.hpp"
#include "optim/rules/settings.hpp"

namespace crema::optim {

namespace {

class TrustSgd : public UpdateRule {
 public:
  TrustSgd(const TrustRatio& ratio, double momentum, double solver_decay, bool outside)
      : ratio_(ratio), momentum_(momentum), solver_decay_(solver_decay), outside_(outside) {}

  std::vector<std::string> slots() const override {
    return {outside_ ? "momentum_of_gradients" : "momentum"};
  }
  void step(const ParamSpans& param, const StepInfo& info) const override {
    float* const h = param.slots[0].data();
    const double ratio = factor(param, info);
    const float mu = static_cast<float>(info.momentum * (outside_ ? 1 : info.momentum_scale));
    const float in = static_cast<float>(outside_ ? ratio : info.rate * ratio);
    const float out = static_cast<float>(outside_ ? info.rate : 1);
    descend(param, info, [=](int64_t i, float g) { return out * (h[i] = mu * h[i] + in * g); });
  }
  std::string formula() const override {
    const std::string ratio = fmt::format(
        "{}{:g} * |w| / {}", ratio_.times_damping ? "(1 - momentum) * " : "", ratio_.coefficient,
        ratio_.decay == TrustRatio::Decay::kNone ? "|g|" : "(|g| + decay * |w|)");
    const std::string rate = ratio_.clip ? fmt::format("lr_mult * min(rate, {})", ratio)
                                         : fmt::format("rate * lr_mult * {}", ratio);
    return (outside_ ? "h = momentum * h + r / (rate * lr_mult) * g;  w -= rate * lr_mult * h"
                     : "h = momentum * h + r * g;  w -= h") +
           (";  r = " + rate);
  }
  bool elementwise() const override { return false; }
  std::optional<double> momentum() const override { return momentum_; }
  bool accepts_momentum(double value) const override { return value > -1 && value < 1; }
  bool rate_in_velocity() const override { return !outside_; }
  // Scaling g scales the ratio the other way, unless it is the rate that is the smaller.
  bool normalises_gradient() const override { return !ratio_.clip; }

 private:
  // The factor on rate x lr_mult.
  double factor(const ParamSpans& param, const StepInfo& info) const {
    const double w = norm(param.value), g = gradient_norm(param, info);
    double ratio = 1;
    if (w > 0 && g > 0) {
      const double decay = ratio_.decay == TrustRatio::Decay::kOwn      ? info.l2
                           : ratio_.decay == TrustRatio::Decay::kSolver ? solver_decay_
                                                                        : 0;
      ratio = ratio_.coefficient * w / (g + decay * w);
      if (ratio_.times_damping) ratio *= 1 - info.momentum;
    }
    if (!ratio_.clip) return ratio;
    return info.policy_rate > 0 ? std::min(1.0, ratio / info.policy_rate) : 1;
  }

  TrustRatio ratio_;
  double momentum_, solver_decay_;
  bool outside_;
};

void read_nvidia(const caffe::SolverParameter& param, Fields& fields, TrustRatio& ratio) {
  ratio.coefficient = fields.number("larc_eta");
  fields.check(ratio.coefficient > 0, "larc_eta", "> 0", "the default is 0.001");
  ratio.decay = TrustRatio::Decay::kNone;
  ratio.times_damping = true;
  ratio.clip = param.larc_policy() == "clip";
  if (!ratio.clip && param.larc_policy() != "scale")
    fields.fail("larc_policy", fmt::format("unknown larc_policy '{}'", param.larc_policy()))
        .advise(suggestion(param.larc_policy(), {"clip", "scale"}));
  if (param.larc_turbo())
    fields.fail("larc_turbo", "larc_turbo is not there: what it remembers is in no snapshot")
        .advise("remove it");
}

}  // namespace

std::unique_ptr<UpdateRule> make_trust_sgd(const config::SolverConfig& solver,
                                           const TrustRatio& ratio, double momentum) {
  return std::make_unique<TrustSgd>(ratio, momentum, solver.param.weight_decay(),
                                    rate_outside(solver));
}

std::unique_ptr<UpdateRule> make_trust_of_forks(const config::SolverConfig& solver) {
  Fields fields(solver, "type");
  TrustRatio ratio;
  if (solver.param.larc() && solver.param.local_lr_auto())
    fields.fail("local_lr_auto", "both larc and local_lr_auto are true").advise("keep one of them");
  if (rate_outside(solver))
    fields.fail("momentum_form", "momentum_form: LR_OUTSIDE is not that of larc or local_lr_auto")
        .advise("write type: \"LARC\" or type: \"LARS\" instead of the field");
  if (solver.param.larc()) {
    read_nvidia(solver.param, fields, ratio);
  } else {
    ratio.coefficient = fields.number("local_gw_ratio");
    fields.check(ratio.coefficient > 0, "local_gw_ratio", "> 0", "the default is 0.001");
    ratio.decay = TrustRatio::Decay::kSolver;
  }
  const double momentum = read_velocity(fields);
  fields.done();
  return make_trust_sgd(solver, ratio, momentum);
}

}  // namespace crema::optim
