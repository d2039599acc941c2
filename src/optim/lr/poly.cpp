// lr_policy: "poly"   rate = base_lr * max(0, 1 - t / max_iter)^power
//
// With min_lr, as in NVIDIA's Caffe: min_lr + (base_lr - min_lr) * the same curve.
// Past max_iter, where no training run goes, the rate stays at its end instead of becoming NaN.
#include <algorithm>
#include <cmath>

#include "optim/fields.hpp"
#include "optim/policy.hpp"

namespace crema::optim {
namespace {

class Poly : public LrPolicy {
 public:
  Poly(double base, double power, double max_iter)
      : base_(base), power_(power), max_iter_(max_iter) {}
  double rate(int64_t t) const override { return base_ * curve(t); }
  double floor_share(int64_t t) const override { return 1 - curve(t); }
  std::string formula() const override { return "base_lr * max(0, 1 - t / max_iter)^power"; }

 private:
  double curve(int64_t t) const {
    return std::pow(std::max(0.0, 1 - static_cast<double>(t) / max_iter_), power_);
  }
  double base_, power_, max_iter_;
};

std::unique_ptr<LrPolicy> make_poly(const config::SolverConfig& solver) {
  Fields fields(solver, "lr_policy");
  const double base = fields.required("base_lr", "base_lr: 0.01, for example");
  const double power = fields.required("power", "power: 1 for a straight line down to 0");
  fields.check(power >= 0, "power", ">= 0", "a negative power grows without bound at max_iter");
  const double max_iter = fields.required("max_iter", "max_iter: N, where the rate reaches 0");
  fields.check(max_iter > 0, "max_iter", "> 0");
  fields.done();
  return std::make_unique<Poly>(base, power, max_iter);
}

CREMA_REGISTER(PolicyTag, "poly", make_poly);

}  // namespace
}  // namespace crema::optim
