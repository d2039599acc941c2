// SGD, Nesterov, LARS and LARC: h is the velocity, mu the momentum, r = rate, g decayed.
//   LR_INSIDE    SGD       step = mu h + r g
//                Nesterov  h' = mu h + r g;  step = (1 + mu) h' - mu h = mu^2 h + r (1 + mu) g
//   LR_OUTSIDE   SGD       step = r (mu h + g)
//                Nesterov  h' = mu h + g;    step = r (g + mu h') = r ((1 + mu) g + mu^2 h)
// LARS and LARC: g times a trust ratio.
#include <cmath>

#include "optim/step_formula.hpp"

namespace crema::optim {
namespace {

bool outside(const StepFacts& facts) {
  return facts.solver->momentum_form() == caffe::LR_OUTSIDE;
}

// `ratio` is a factor on the gradient.
ElementFormula sgd_with(const StepFacts& facts, double ratio) {
  const bool out = outside(facts);
  const double mu = facts.momentum * (out ? 1 : facts.momentum_scale);
  return [facts, ratio, mu, out](size_t i) -> ElementStep {
    const double old = mu * facts.slots[0][i], g = ratio * facts.decayed(i);
    return out ? ElementStep{0, old + g} : ElementStep{old, g};
  };
}

double bare_length(const StepFacts& facts) {
  double sum = 0;
  for (size_t i = 0; i < facts.gradient.size(); ++i) {
    const double g = facts.bare(i);
    sum += g * g;
  }
  return std::sqrt(sum);
}

// coefficient |w| / (|g| + decay |w|), 1 where |w| or |g| is 0.
double trust_ratio(const StepFacts& facts, double coefficient, double decay) {
  const double w = length_of(facts.value), g = bare_length(facts);
  return w > 0 && g > 0 ? coefficient * w / (g + decay * w) : 1;
}

// The ratio takes the rate's place where it is the smaller one.
double at_most_rate(const StepFacts& facts, double ratio) {
  return facts.policy_rate > 0 ? std::min(1.0, ratio / facts.policy_rate) : 1;
}

ElementFormula sgd(const StepFacts& facts) {
  const caffe::SolverParameter& s = *facts.solver;
  if (s.local_lr_auto())  // Intel's
    return sgd_with(facts, trust_ratio(facts, s.local_gw_ratio(), s.weight_decay()));
  if (!s.larc()) return sgd_with(facts, 1);
  double ratio = trust_ratio(facts, s.larc_eta(), 0);  // NVIDIA's
  if (length_of(facts.value) > 0 && bare_length(facts) > 0) ratio *= 1 - facts.momentum;
  return sgd_with(facts, s.larc_policy() == "clip" ? at_most_rate(facts, ratio) : ratio);
}

ElementFormula lars(const StepFacts& facts) {
  return sgd_with(facts, trust_ratio(facts, facts.solver->trust_coefficient(), facts.l2));
}

ElementFormula larc(const StepFacts& facts) {
  return sgd_with(
      facts, at_most_rate(facts, trust_ratio(facts, facts.solver->trust_coefficient(), facts.l2)));
}

ElementFormula nesterov(const StepFacts& facts) {
  const bool out = outside(facts);
  const double mu = facts.momentum, scale = out ? 1 : facts.momentum_scale;
  return [facts, mu, scale, out](size_t i) -> ElementStep {
    const double old = mu * mu * scale * facts.slots[0][i], g = (1 + mu) * facts.decayed(i);
    return out ? ElementStep{0, old + g} : ElementStep{old, g};
  };
}

CREMA_REGISTER(StepFormulaTag, "SGD", sgd);
CREMA_REGISTER(StepFormulaTag, "Nesterov", nesterov);
CREMA_REGISTER(StepFormulaTag, "LARS", lars);
CREMA_REGISTER(StepFormulaTag, "LARC", larc);

}  // namespace
}  // namespace crema::optim
