// lr_policy: "inv"   rate = base_lr * (1 + gamma * t)^(-power)
#include <cmath>

#include "optim/fields.hpp"
#include "optim/policy.hpp"

namespace crema::optim {
namespace {

class Inv : public LrPolicy {
 public:
  Inv(double base, double gamma, double power) : base_(base), gamma_(gamma), power_(power) {}
  double rate(int64_t t) const override {
    return base_ * std::pow(1 + gamma_ * static_cast<double>(t), -power_);
  }
  std::string formula() const override { return "base_lr * (1 + gamma * t)^(-power)"; }

 private:
  double base_, gamma_, power_;
};

std::unique_ptr<LrPolicy> make_inv(const config::SolverConfig& solver) {
  Fields fields(solver, "lr_policy");
  const double base = fields.required("base_lr", "base_lr: 0.01, for example");
  const double gamma = fields.required("gamma", "gamma: 0.0001, for example");
  fields.check(gamma >= 0, "gamma", ">= 0");
  const double power = fields.required("power", "power: 0.75, for example");
  fields.done();
  return std::make_unique<Inv>(base, gamma, power);
}

CREMA_REGISTER(PolicyTag, "inv", make_inv);

}  // namespace
}  // namespace crema::optim
