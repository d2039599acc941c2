// lr_policy: "one_cycle"   With T = max_iter, low = base_lr / div_factor,
// end = low / final_div_factor and peak = pct_start * T - 1:
//   low -> base_lr over [0, peak],   base_lr -> end over [peak, T - 1]
//   three_phase: base_lr -> low over [peak, 2 * peak],   low -> end over [2 * peak, T - 1]
// each along half a cosine wave or a straight line. Source: Smith and Topin, arXiv:1708.07120; the
// numbers are those of PyTorch's OneCycleLR, whose momentum cycle is momentum_schedule here.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "optim/fields.hpp"
#include "optim/policy.hpp"

namespace crema::optim {
namespace {

struct Corner {
  double t, rate;
};

class OneCycle : public LrPolicy {
 public:
  OneCycle(std::vector<Corner> corners, bool linear)
      : corners_(std::move(corners)), linear_(linear) {}
  double rate(int64_t t) const override {
    const auto time = static_cast<double>(t);
    size_t i = 1;
    while (i + 1 < corners_.size() && time > corners_[i].t) ++i;
    const Corner &from = corners_[i - 1], &to = corners_[i];
    double part = to.t > from.t ? std::clamp((time - from.t) / (to.t - from.t), 0.0, 1.0) : 1;
    if (!linear_) part = (1 - std::cos(std::numbers::pi * part)) / 2;
    return from.rate + (to.rate - from.rate) * part;
  }
  std::vector<int64_t> boundaries(int64_t max_iter) const override {
    std::vector<int64_t> out;
    for (size_t i = 1; i + 1 < corners_.size(); ++i) {
      const auto t = static_cast<int64_t>(std::ceil(corners_[i].t));
      if (t > 0 && t < max_iter && (out.empty() || t > out.back())) out.push_back(t);
    }
    return out;
  }
  std::string formula() const override {
    return "base_lr / div_factor up to base_lr, then down to base_lr / (div_factor * "
           "final_div_factor)";
  }

 private:
  std::vector<Corner> corners_;
  bool linear_;
};

std::unique_ptr<LrPolicy> make_one_cycle(const config::SolverConfig& solver) {
  Fields fields(solver, "lr_policy");
  const double base = fields.required("base_lr", "base_lr: 0.1, the rate at the peak");
  const double max_iter = fields.required("max_iter", "max_iter: N, where the cycle ends");
  fields.check(max_iter > 0, "max_iter", "> 0");
  const caffe::OneCycleParameter& param = solver.param.one_cycle();
  Fields inner(param, solver.places.inside("one_cycle"), "one_cycle");
  const double start = inner.number("pct_start"), div = inner.number("div_factor");
  const double final_div = inner.number("final_div_factor");
  const double most = param.three_phase() ? 0.5 : 1;
  inner.check(start > 0 && start < most, "pct_start",
              param.three_phase() ? "between 0 and 0.5 (exclusive; three_phase)"
                                  : "between 0 and 1 (exclusive)",
              "it is the part of the run before the peak; 0.3 is common");
  inner.check(div >= 1, "div_factor", ">= 1");
  inner.check(final_div >= 1, "final_div_factor", ">= 1");
  Diagnostics found;
  found.guard([&] { fields.done(); });
  found.guard([&] { inner.done(); });
  found.throw_if_any();
  const double low = base / div, peak = std::max(0.0, start * max_iter - 1);
  std::vector<Corner> corners{{0, low}, {peak, base}};
  if (param.three_phase()) corners.push_back({std::max(peak, 2 * start * max_iter - 2), low});
  corners.push_back({std::max(corners.back().t, max_iter - 1), low / final_div});
  return std::make_unique<OneCycle>(corners, param.anneal() == caffe::OneCycleParameter::LINEAR);
}

CREMA_REGISTER(PolicyTag, "one_cycle", {make_one_cycle, {"one_cycle"}});

}  // namespace
}  // namespace crema::optim
