// lr_policy: "linear"   rate = base_lr * max(0, 1 - t / max_iter)
//
// With min_lr: a straight line from base_lr to min_lr.
#include <algorithm>

#include "optim/fields.hpp"
#include "optim/policy.hpp"

namespace crema::optim {
namespace {

class Linear : public LrPolicy {
 public:
  Linear(double base, double max_iter) : base_(base), max_iter_(max_iter) {}
  double rate(int64_t t) const override { return base_ * (1 - floor_share(t)); }
  double floor_share(int64_t t) const override {
    return std::min(1.0, static_cast<double>(t) / max_iter_);
  }
  std::string formula() const override { return "base_lr * max(0, 1 - t / max_iter)"; }

 private:
  double base_, max_iter_;
};

std::unique_ptr<LrPolicy> make_linear(const config::SolverConfig& solver) {
  Fields fields(solver, "lr_policy");
  const double base = fields.required("base_lr", "base_lr: 0.01, for example");
  const double max_iter = fields.required("max_iter", "max_iter: N, where the line ends");
  fields.check(max_iter > 0, "max_iter", "> 0");
  fields.done();
  return std::make_unique<Linear>(base, max_iter);
}

CREMA_REGISTER(PolicyTag, "linear", make_linear);

}  // namespace
}  // namespace crema::optim
