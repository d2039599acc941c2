// lr_policy: "cosine"   rate = base_lr * (1 + cos(pi * min(1, t / max_iter))) / 2
//
// With min_lr: min_lr + (base_lr - min_lr) * the same curve. Source: Loshchilov and Hutter,
// arXiv:1608.03983, eq. 5, without restarts.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "optim/fields.hpp"
#include "optim/policy.hpp"

namespace crema::optim {
namespace {

class Cosine : public LrPolicy {
 public:
  Cosine(double base, double max_iter) : base_(base), max_iter_(max_iter) {}
  double rate(int64_t t) const override { return base_ * curve(t); }
  double floor_share(int64_t t) const override { return 1 - curve(t); }
  std::string formula() const override {
    return "base_lr * (1 + cos(pi * min(1, t / max_iter))) / 2";
  }

 private:
  double curve(int64_t t) const {
    const double part = std::min(1.0, static_cast<double>(t) / max_iter_);
    return (1 + std::cos(std::numbers::pi * part)) / 2;
  }
  double base_, max_iter_;
};

std::unique_ptr<LrPolicy> make_cosine(const config::SolverConfig& solver) {
  Fields fields(solver, "lr_policy");
  const double base = fields.required("base_lr", "base_lr: 0.01, for example");
  const double max_iter = fields.required("max_iter", "max_iter: N, where the cosine ends");
  fields.check(max_iter > 0, "max_iter", "> 0");
  fields.done();
  return std::make_unique<Cosine>(base, max_iter);
}

CREMA_REGISTER(PolicyTag, "cosine", make_cosine);

}  // namespace
}  // namespace crema::optim
