// lr_policy: "multistep"   rate = base_lr * gamma^k,   k = steps taken up to t
//
// Step i is taken at iteration stepvalue[i], but at most one per iteration, as in BVLC Caffe: of
// equal stepvalues each takes effect one iteration after the one before it.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "optim/fields.hpp"
#include "optim/policy.hpp"

namespace crema::optim {
namespace {

class MultiStep : public LrPolicy {
 public:
  MultiStep(double base, double gamma, std::vector<int64_t> steps)
      : base_(base), gamma_(gamma), steps_(std::move(steps)) {}

  double rate(int64_t t) const override { return base_ * std::pow(gamma_, current_step(t)); }
  int current_step(int64_t t) const override {
    return static_cast<int>(std::upper_bound(steps_.begin(), steps_.end(), t) - steps_.begin());
  }
  std::vector<int64_t> boundaries(int64_t max_iter) const override {
    std::vector<int64_t> out;
    for (const int64_t t : steps_)
      if (t > 0 && t < max_iter && rate(t) != rate(t - 1) && out.size() < kMostBoundaries)
        out.push_back(t);
    return out;
  }
  std::string formula() const override { return "base_lr * gamma^(stepvalues passed at t)"; }

 private:
  double base_, gamma_;
  std::vector<int64_t> steps_;  // strictly ascending: when each step is taken
};

std::vector<int64_t> read_steps(const config::SolverConfig& solver, Fields& fields) {
  const auto& values = solver.param.stepvalue();
  if (values.empty())
    fields.fail("stepvalue", "lr_policy: \"multistep\" needs stepvalue, which is not set")
        .advise("write stepvalue: N for each step, or lr_policy: \"fixed\" for a constant rate");
  std::vector<int64_t> steps;
  for (int i = 0; i < values.size(); ++i) {
    const std::string field = fmt::format("stepvalue[{}]", i);
    if (values[i] < 0)
      fields.fail(field, fmt::format("stepvalue must be >= 0, not {}", values[i]));
    else if (i > 0 && values[i] < values[i - 1])
      fields
          .fail(field, fmt::format("stepvalue {} comes after {}: they must not decrease", values[i],
                                   values[i - 1]))
          .advise("write the stepvalues in the order in which the steps happen");
    const int64_t at = values[i];
    steps.push_back(steps.empty() ? at : std::max(at, steps.back() + 1));
  }
  return steps;
}

std::unique_ptr<LrPolicy> make_multistep(const config::SolverConfig& solver) {
  Fields fields(solver, "lr_policy");
  const double base = fields.required("base_lr", "base_lr: 0.01, for example");
  const double gamma = fields.required("gamma", "gamma: 0.1 to divide the rate by 10 at each step");
  fields.check(gamma >= 0, "gamma", ">= 0");
  std::vector<int64_t> steps = read_steps(solver, fields);
  fields.done();
  return std::make_unique<MultiStep>(base, gamma, std::move(steps));
}

CREMA_REGISTER(PolicyTag, "multistep", make_multistep);

}  // namespace
}  // namespace crema::optim
