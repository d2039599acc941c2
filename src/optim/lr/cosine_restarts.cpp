// lr_policy: "cosine_restarts" and "sgdr"   Cosines, one after the other:
//   rate = base_lr * restart_mult^k * (1 + cos(pi * (t - s_k) / p_k)) / 2
// where restart k begins at s_k (s_0 = 0, s_(k+1) = s_k + p_k) and is p_k long: p_0 = period,
// p_(k+1) = floor(period_mult * p_k). Source: Loshchilov and Hutter, arXiv:1608.03983.
//
// "sgdr" is that of jolibrain's Caffe: its names for the same numbers are lr_mult and p_mult with
// defaults of 0.8 and 2, period is max_iter if unset, and min_lr is 1e-6 if unset; a restart below
// min_lr rises to it.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "optim/fields.hpp"
#include "optim/policy.hpp"

namespace crema::optim {
namespace {

constexpr int64_t kEnd = std::numeric_limits<int32_t>::max();  // of iterations

class CosineRestarts : public LrPolicy {
 public:
  CosineRestarts(double base, double restart_mult, int64_t period, double period_mult,
                 bool of_jolibrain)
      : base_(base), mult_(restart_mult), of_jolibrain_(of_jolibrain) {
    // Periods grow by one at least or stay as they are, so that there are at most 65536 of them.
    int64_t begin = 0;
    for (;;) {
      begins_.push_back(begin);
      last_period_ = period;
      const double next = std::floor(static_cast<double>(period) * period_mult);
      if (next == static_cast<double>(period) || begin + period > kEnd) break;
      begin += period;
      period = static_cast<int64_t>(std::min<double>(next, kEnd));
    }
  }

  double rate(int64_t t) const override {
    const Place at = place(t);
    return base_ * std::pow(mult_, static_cast<double>(at.restart)) * (1 - at.down);
  }
  double floor_share(int64_t t) const override { return place(t).down; }
  bool stops_at_floor() const override { return !of_jolibrain_; }
  double default_floor() const override { return of_jolibrain_ ? 1e-6 : 0; }
  int current_step(int64_t t) const override {
    return static_cast<int>(std::min(place(t).restart, kEnd));
  }
  std::vector<int64_t> boundaries(int64_t max_iter) const override {
    std::vector<int64_t> out;
    for (int64_t t = end_of_period(0); t < max_iter && out.size() < kMostBoundaries;
         t = end_of_period(t))
      out.push_back(t);
    return out;
  }
  std::string formula() const override {
    return of_jolibrain_ ? "base_lr * lr_mult^k * half a cosine wave over period * p_mult^k"
                         : "base_lr * restart_mult^k * half a cosine wave over period * "
                           "period_mult^k";
  }

 private:
  struct Place {
    int64_t restart = 0, begin = 0, period = 1;
    double down = 0;  // 0 at the beginning of a cosine, 1 at its end
  };
  Place place(int64_t t) const {
    const auto next = std::upper_bound(begins_.begin(), begins_.end(), t);
    Place out;
    out.restart = next - begins_.begin() - 1;
    out.begin = *(next - 1);
    out.period = next == begins_.end() ? last_period_ : *next - out.begin;
    if (next == begins_.end()) {  // from here on they are equally long
      const int64_t more = (t - out.begin) / last_period_;
      out.restart += more;
      out.begin += more * last_period_;
    }
    const double part = static_cast<double>(t - out.begin) / static_cast<double>(out.period);
    out.down = (1 - std::cos(std::numbers::pi * part)) / 2;
    return out;
  }
  int64_t end_of_period(int64_t t) const {
    const Place at = place(t);
    return at.begin + at.period;
  }

  double base_, mult_;
  bool of_jolibrain_;
  std::vector<int64_t> begins_;
  int64_t last_period_ = 1;
};

std::unique_ptr<LrPolicy> make_cosine_restarts(const config::SolverConfig& solver) {
  Fields fields(solver, "lr_policy");
  const double base = fields.required("base_lr", "base_lr: 0.01, for example");
  const double period = fields.required("period", "period: N, the iterations of the first cosine");
  fields.check(period > 0, "period", "> 0");
  const double longer = fields.number("period_mult"), mult = fields.number("restart_mult");
  fields.check(longer >= 1, "period_mult", ">= 1", "1: all cosines are equally long");
  fields.check(mult > 0, "restart_mult", "> 0", "1: every restart begins at base_lr");
  fields.done();
  return std::make_unique<CosineRestarts>(base, mult, static_cast<int64_t>(period), longer, false);
}

std::unique_ptr<LrPolicy> make_sgdr(const config::SolverConfig& solver) {
  Fields fields(solver, "lr_policy");
  const double base = fields.required("base_lr", "base_lr: 0.01, for example");
  double period = fields.number("period");
  if (period <= 0) {
    period = fields.required("max_iter", "max_iter: N, or period: N");
    fields.check(period > 0, "max_iter", "> 0");
  }
  const double longer = fields.number("p_mult"), mult = fields.number("lr_mult");
  fields.check(longer >= 1, "p_mult", ">= 1", "1: all cosines are equally long");
  fields.check(mult > 0, "lr_mult", "> 0", "1: every restart begins at base_lr");
  // There the test for the end of a cosine is not made during the warm-up: it would be missed.
  if (fields.has("warmup_iter"))
    fields.check(fields.number("warmup_iter") <= period, "warmup_iter",
                 "at most as long as the first cosine");
  fields.done();
  return std::make_unique<CosineRestarts>(base, mult, static_cast<int64_t>(period), longer, true);
}

CREMA_REGISTER(PolicyTag, "cosine_restarts",
               {make_cosine_restarts, {"period", "period_mult", "restart_mult"}});
CREMA_REGISTER(PolicyTag, "sgdr", {make_sgdr, {"period", "p_mult", "lr_mult"}});

}  // namespace
}  // namespace crema::optim
