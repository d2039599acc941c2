// AdaGrad, RMSProp and AdaDelta: g decayed, over the root of a sum or mean of its squares.
#include <cmath>

#include "optim/step_formula.hpp"

namespace crema::optim {
namespace {

// step = r g / (sqrt(keep h + add g^2) + delta)
ElementFormula over_root(const StepFacts& facts, double keep, double add) {
  return [facts, keep, add](size_t i) -> ElementStep {
    const double g = facts.decayed(i), h = keep * facts.slots[0][i] + add * g * g;
    return {0, g / (std::sqrt(h) + facts.solver->delta())};
  };
}

ElementFormula adagrad(const StepFacts& facts) {
  return over_root(facts, 1, 1);
}

ElementFormula rmsprop(const StepFacts& facts) {
  const double decay = facts.solver->rms_decay();
  return over_root(facts, decay, 1 - decay);
}

// step = r g sqrt((k + delta) / (h' + delta)),   h' = mu h + (1 - mu) g^2
ElementFormula adadelta(const StepFacts& facts) {
  return [facts](size_t i) -> ElementStep {
    const double g = facts.decayed(i), mu = facts.momentum, delta = facts.solver->delta();
    const double h = mu * facts.slots[0][i] + (1 - mu) * g * g;
    return {0, g * std::sqrt((facts.slots[1][i] + delta) / (h + delta))};
  };
}

CREMA_REGISTER(StepFormulaTag, "AdaGrad", adagrad);
CREMA_REGISTER(StepFormulaTag, "RMSProp", rmsprop);
CREMA_REGISTER(StepFormulaTag, "AdaDelta", adadelta);

}  // namespace
}  // namespace crema::optim
