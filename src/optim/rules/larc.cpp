// type: "LARC"   r = lr_mult * min(rate, trust_coefficient * |w| / (|g| + decay * |w|))
//                h = momentum * h + r * (g + decay * w);   w -= h
// LARS whose ratio can only lower the rate, never raise it; as in NVIDIA's apex, but that lr_mult
// is a factor on both. The ratio is 1 where |w| or |g| is 0.
#include "optim/rules/settings.hpp"
#include "optim/rules/trust_sgd.hpp"

namespace crema::optim {
namespace {

std::unique_ptr<UpdateRule> make_larc(const config::SolverConfig& solver) {
  Fields fields(solver, "type");
  TrustRatio ratio;
  ratio.coefficient = fields.number("trust_coefficient");
  ratio.clip = true;
  fields.check(ratio.coefficient > 0, "trust_coefficient", "> 0", "the default is 0.001");
  const double momentum = read_velocity(fields);
  require_l2(solver, fields);
  fields.done();
  return make_trust_sgd(solver, ratio, momentum);
}

CREMA_REGISTER(RuleTag, "LARC", {make_larc, {"momentum_form", "trust_coefficient"}});

}  // namespace
}  // namespace crema::optim
