// lr_policy: "step"   rate = base_lr * gamma^k,   k = floor(t / stepsize)
#include <cmath>

#include "optim/fields.hpp"
#include "optim/policy.hpp"

namespace crema::optim {
namespace {

class Step : public LrPolicy {
 public:
  Step(double base, double gamma, int64_t stepsize)
      : base_(base), gamma_(gamma), stepsize_(stepsize) {}

  double rate(int64_t t) const override {
    return base_ * std::pow(gamma_, static_cast<double>(t / stepsize_));
  }
  int current_step(int64_t t) const override { return static_cast<int>(t / stepsize_); }

  // Ends early where the rate does not change any more: gamma 1, or a rate that has become 0.
  std::vector<int64_t> boundaries(int64_t max_iter) const override {
    std::vector<int64_t> out;
    for (int64_t t = stepsize_;
         t < max_iter && rate(t) != rate(t - 1) && out.size() < kMostBoundaries; t += stepsize_)
      out.push_back(t);
    return out;
  }
  std::string formula() const override { return "base_lr * gamma^floor(t / stepsize)"; }

 private:
  double base_, gamma_;
  int64_t stepsize_;
};

std::unique_ptr<LrPolicy> make_step(const config::SolverConfig& solver) {
  Fields fields(solver, "lr_policy");
  const double base = fields.required("base_lr", "base_lr: 0.01, for example");
  const double gamma = fields.required("gamma", "gamma: 0.1 to divide the rate by 10 at each step");
  fields.check(gamma >= 0, "gamma", ">= 0");
  const double stepsize = fields.required("stepsize", "stepsize: N, the iterations between steps");
  fields.check(stepsize > 0, "stepsize", "> 0");
  fields.done();
  return std::make_unique<Step>(base, gamma, static_cast<int64_t>(stepsize));
}

CREMA_REGISTER(PolicyTag, "step", make_step);

}  // namespace
}  // namespace crema::optim
