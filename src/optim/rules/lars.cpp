// type: "LARS"   r = rate * lr_mult * trust_coefficient * |w| / (|g| + decay * |w|)
//                h = momentum * h + r * (g + decay * w);   w -= h
// with |g| before decay; the ratio is 1 where |w| or |g| is 0. Source: You, Gitman and Ginsburg,
// arXiv:1708.03888, algorithm 1. With momentum_form: LR_OUTSIDE the ratio scales what enters h, and
// rate * lr_mult what leaves it.
#include "optim/rules/settings.hpp"
#include "optim/rules/trust_sgd.hpp"

namespace crema::optim {
namespace {

std::unique_ptr<UpdateRule> make_lars(const config::SolverConfig& solver) {
  Fields fields(solver, "type");
  TrustRatio ratio;
  ratio.coefficient = fields.number("trust_coefficient");
  fields.check(ratio.coefficient > 0, "trust_coefficient", "> 0", "the default is 0.001");
  const double momentum = read_velocity(fields);
  require_l2(solver, fields);
  fields.done();
  return make_trust_sgd(solver, ratio, momentum);
}

CREMA_REGISTER(RuleTag, "LARS", {make_lars, {"momentum_form", "trust_coefficient"}});

}  // namespace
}  // namespace crema::optim
