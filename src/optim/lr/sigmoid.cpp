// lr_policy: "sigmoid"   rate = base_lr / (1 + e^(-gamma * (t - stepsize)))
//
// BVLC Caffe's sign: with gamma >= 0 the rate rises, to half of base_lr at t = stepsize.
#include <cmath>

#include "optim/fields.hpp"
#include "optim/policy.hpp"

namespace crema::optim {
namespace {

class Sigmoid : public LrPolicy {
 public:
  Sigmoid(double base, double gamma, double stepsize)
      : base_(base), gamma_(gamma), stepsize_(stepsize) {}
  double rate(int64_t t) const override {
    return base_ / (1 + std::exp(-gamma_ * (static_cast<double>(t) - stepsize_)));
  }
  std::string formula() const override { return "base_lr / (1 + e^(-gamma * (t - stepsize)))"; }

 private:
  double base_, gamma_, stepsize_;
};

std::unique_ptr<LrPolicy> make_sigmoid(const config::SolverConfig& solver) {
  Fields fields(solver, "lr_policy");
  const double base = fields.required("base_lr", "base_lr: 0.01, for example");
  const double gamma = fields.required("gamma", "gamma: 0.01, the steepness");
  fields.check(gamma >= 0, "gamma", ">= 0");
  const double stepsize = fields.required("stepsize", "stepsize: N, the middle of the rise");
  fields.check(stepsize > 0, "stepsize", "> 0");
  fields.done();
  return std::make_unique<Sigmoid>(base, gamma, stepsize);
}

CREMA_REGISTER(PolicyTag, "sigmoid", make_sigmoid);

}  // namespace
}  // namespace crema::optim
