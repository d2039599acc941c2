// lr_policy: "exp"   rate = base_lr * gamma^t
#include <cmath>

#include "optim/fields.hpp"
#include "optim/policy.hpp"

namespace crema::optim {
namespace {

class Exp : public LrPolicy {
 public:
  Exp(double base, double gamma) : base_(base), gamma_(gamma) {}
  double rate(int64_t t) const override { return base_ * std::pow(gamma_, static_cast<double>(t)); }
  std::string formula() const override { return "base_lr * gamma^t"; }

 private:
  double base_, gamma_;
};

std::unique_ptr<LrPolicy> make_exp(const config::SolverConfig& solver) {
  Fields fields(solver, "lr_policy");
  const double base = fields.required("base_lr", "base_lr: 0.01, for example");
  const double gamma = fields.required("gamma", "gamma: 0.999, the factor per iteration");
  fields.check(gamma >= 0, "gamma", ">= 0");
  fields.done();
  return std::make_unique<Exp>(base, gamma);
}

CREMA_REGISTER(PolicyTag, "exp", make_exp);

}  // namespace
}  // namespace crema::optim
