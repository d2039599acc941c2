// Adam and its relatives: averages of the gradient (m) and of its square (v), n updates with this
// one, c1 = 1 - b1^n, c2 = 1 - b2^n.
//   Adam      step = r sqrt(c2) / c1 m' / (sqrt(v') + delta)       g decayed
//   AMSGrad   v' replaced by the largest v' so far
//   AdamW     step = r (m' / c1 / (sqrt(v' / c2) + delta) + decay w)   g bare
//   LAMB      that, times |w| / |step / r|
//   Lion      step = r (sign(b1 m + (1 - b1) g) + decay w)             g bare
#include <algorithm>
#include <cmath>

#include "optim/step_formula.hpp"

namespace crema::optim {
namespace {

struct Averages {
  explicit Averages(const StepFacts& facts)
      : b1(facts.momentum),
        b2(facts.solver->momentum2()),
        c1(1 - std::pow(b1, static_cast<double>(facts.step_count + 1))),
        c2(1 - std::pow(b2, static_cast<double>(facts.step_count + 1))),
        delta(facts.solver->delta()) {}
  double m(const StepFacts& facts, size_t i, double g) const {
    return b1 * facts.slots[0][i] + (1 - b1) * g;
  }
  double v(const StepFacts& facts, size_t i, double g) const {
    return b2 * facts.slots[1][i] + (1 - b2) * g * g;
  }
  double b1, b2, c1, c2, delta;
};

// `largest`: the slot that holds the largest v so far, if there is one.
ElementFormula adam_with(const StepFacts& facts, int largest) {
  const Averages a(facts);
  return [facts, a, largest](size_t i) -> ElementStep {
    const double g = facts.decayed(i);
    double v = a.v(facts, i, g);
    if (largest >= 0) v = std::max<double>(v, facts.slots[static_cast<size_t>(largest)][i]);
    return {0, std::sqrt(a.c2) / a.c1 * a.m(facts, i, g) / (std::sqrt(v) + a.delta)};
  };
}

ElementFormula adam(const StepFacts& facts) {
  return adam_with(facts, facts.solver->amsgrad() ? 1 : -1);
}

ElementFormula amsgrad(const StepFacts& facts) {
  return adam_with(facts, 2);
}

ElementFormula adamw(const StepFacts& facts) {
  const Averages a(facts);
  return [facts, a](size_t i) -> ElementStep {
    const double g = facts.bare(i), v = a.v(facts, i, g);
    return {0,
            a.m(facts, i, g) / a.c1 / (std::sqrt(v / a.c2) + a.delta) + facts.l2 * facts.value[i]};
  };
}

ElementFormula lamb(const StepFacts& facts) {
  const ElementFormula unscaled = adamw(facts);
  double sum = 0;
  for (size_t i = 0; i < facts.value.size(); ++i) {
    const double u = unscaled(i).direction;
    sum += u * u;
  }
  const double w = length_of(facts.value), length = std::sqrt(sum);
  const double ratio = w > 0 && length > 0 ? w / length : 1;
  return [unscaled, ratio](size_t i) -> ElementStep { return {0, ratio * unscaled(i).direction}; };
}

ElementFormula lion(const StepFacts& facts) {
  return [facts](size_t i) -> ElementStep {
    const double c = facts.momentum * facts.slots[0][i] + (1 - facts.momentum) * facts.bare(i);
    return {0, static_cast<double>((c > 0) - (c < 0)) + facts.l2 * facts.value[i]};
  };
}

CREMA_REGISTER(StepFormulaTag, "Adam", adam);
CREMA_REGISTER(StepFormulaTag, "AMSGrad", amsgrad);
CREMA_REGISTER(StepFormulaTag, "AdamW", adamw);
CREMA_REGISTER(StepFormulaTag, "LAMB", lamb);
CREMA_REGISTER(StepFormulaTag, "Lion", lion);

}  // namespace
}  // namespace crema::optim
