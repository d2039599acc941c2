// Learning-rate policies: pure functions of the iteration, checked when the solver is read.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/registry.hpp"
#include "config/config.hpp"

namespace crema::optim {

class LrPolicy {
 public:
  virtual ~LrPolicy() = default;
  // The learning rate of update t (t completed updates before it), before any multiplier. t >= 0;
  // finite for every t in [0, max_iter).
  virtual double rate(int64_t t) const = 0;
  // BVLC's current_step as it stands during update t (steps taken), 0 for policies without steps.
  // A state saved after n updates holds current_step(n - 1).
  virtual int current_step(int64_t) const { return 0; }
  // The iterations in (0, max_iter) at which the rate jumps, ascending; for `explain`.
  virtual std::vector<int64_t> boundaries(int64_t max_iter) const {
    (void)max_iter;
    return {};
  }
  virtual std::string formula() const = 0;  // "base_lr * gamma^floor(t / stepsize)"
};

// One file per policy registers a factory that validates its fields: Error{kConfig}, located.
struct PolicyTag {
  using Entry = std::function<std::unique_ptr<LrPolicy>(const config::SolverConfig&)>;
  static constexpr const char* kTable = "learning-rate policy";
};

// The policy a solver names. Error / ErrorList{kConfig} if it is unset, unknown (with a
// suggestion), a field it needs is missing or wrong, or a rate of the run would not be finite.
std::unique_ptr<LrPolicy> make_policy(const config::SolverConfig& solver);

}  // namespace crema::optim
