// lr_policy: "flat_cosine"   rate = base_lr up to t0 = flat_fraction * max_iter, then
//                            base_lr * (1 + cos(pi * min(1, (t - t0) / (max_iter - t0)))) / 2
// With min_lr the cosine ends there.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "optim/fields.hpp"
#include "optim/policy.hpp"

namespace crema::optim {
namespace {

class FlatCosine : public LrPolicy {
 public:
  FlatCosine(double base, double flat, double max_iter)
      : base_(base), begin_(flat * max_iter), length_(max_iter - begin_) {}
  double rate(int64_t t) const override { return base_ * curve(t); }
  double floor_share(int64_t t) const override { return 1 - curve(t); }
  std::vector<int64_t> boundaries(int64_t max_iter) const override {
    const auto t = static_cast<int64_t>(std::ceil(begin_));
    return t > 0 && t < max_iter ? std::vector{t} : std::vector<int64_t>{};
  }
  std::string formula() const override {
    return "base_lr up to flat_fraction * max_iter, then base_lr * half a cosine wave down to 0";
  }

 private:
  double curve(int64_t t) const {
    const double part = std::clamp((static_cast<double>(t) - begin_) / length_, 0.0, 1.0);
    return (1 + std::cos(std::numbers::pi * part)) / 2;
  }
  double base_, begin_, length_;
};

std::unique_ptr<LrPolicy> make_flat_cosine(const config::SolverConfig& solver) {
  Fields fields(solver, "lr_policy");
  const double base = fields.required("base_lr", "base_lr: 0.01, for example");
  const double max_iter = fields.required("max_iter", "max_iter: N, where the cosine ends");
  fields.check(max_iter > 0, "max_iter", "> 0");
  const double flat = fields.number("flat_fraction");
  fields.check(flat >= 0 && flat < 1, "flat_fraction", "in [0, 1)",
               "it is the part of the run before the cosine; 0.75 is common");
  fields.done();
  return std::make_unique<FlatCosine>(base, flat, max_iter);
}

CREMA_REGISTER(PolicyTag, "flat_cosine", {make_flat_cosine, {"flat_fraction"}});

}  // namespace
}  // namespace crema::optim
