// Learning-rate policies: functions of the iteration, checked when the solver is read.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "optim/choice.hpp"
#include "optim/follower.hpp"

namespace crema::optim {

class LrPolicy {
 public:
  virtual ~LrPolicy() = default;
  // The learning rate of update t (t completed updates before it), before any multiplier. t >= 0;
  // finite for every t in [0, max_iter). Pure, unless follower() is there: then also a function of
  // what that has observed.
  virtual double rate(int64_t t) const = 0;
  // The rate of a parameter with that multiplier: rate(t) * lr_mult, but where a floor is absolute.
  virtual double rate_of(int64_t t, double lr_mult) const { return rate(t) * lr_mult; }
  // Factor on the velocity that update t finds, for rules that keep the rate inside it.
  virtual double momentum_scale(int64_t) const { return 1; }
  // BVLC's current_step as it stands during update t (steps taken), 0 for policies without steps.
  // A state saved after n updates holds current_step(n - 1).
  virtual int current_step(int64_t) const { return 0; }
  // The iterations in (0, max_iter) at which the rate jumps or its curve has a corner, ascending,
  // the first kMostBoundaries of them; for `explain`.
  virtual std::vector<int64_t> boundaries(int64_t max_iter) const {
    (void)max_iter;
    return {};
  }
  virtual std::string formula() const = 0;  // "base_lr * gamma^floor(t / stepsize)"
  // Where the rate follows a metric of the run: what must be told of it. Else null.
  virtual MetricFollower* follower() { return nullptr; }

  // How min_lr enters: the rate is rate(t) + floor_share(t) * min_lr, and, if the policy stops at a
  // floor, not below min_lr. default_floor() is min_lr where the file sets none.
  virtual double floor_share(int64_t) const { return 0; }
  virtual bool stops_at_floor() const { return true; }
  virtual double default_floor() const { return 0; }
};

inline constexpr size_t kMostBoundaries = 10000;

// One file per policy registers a factory that validates its fields: Error{kConfig}, located.
struct PolicyTag {
  using Entry = Choice<LrPolicy>;
  static constexpr const char* kTable = "learning-rate policy";
};

// The policy a solver names, with its min_lr and warm-up. Error / ErrorList{kConfig} if it is
// unset, unknown (with a suggestion), a field it needs is missing or wrong, a field is set that
// only others read, or a rate of the run would not be finite.
std::unique_ptr<LrPolicy> make_policy(const config::SolverConfig& solver);

}  // namespace crema::optim
