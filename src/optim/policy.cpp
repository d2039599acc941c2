#include "optim/policy.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "base/text.hpp"

namespace crema::optim {

namespace {

// Rates are applied in float. Every policy is monotonic, so the two ends of the run speak for all
// of it.
void check_rates(const config::SolverConfig& solver, const LrPolicy& policy) {
  const int64_t last = std::max<int64_t>(1, solver.param.max_iter()) - 1;
  for (const int64_t t : {int64_t{0}, last}) {
    const double rate = policy.rate(t);
    if (std::abs(rate) <= std::numeric_limits<float>::max()) continue;
    throw Error(ErrorCode::kConfig,
                fmt::format("the learning rate of iteration {} is {:g}, beyond what a float holds",
                            t, rate))
        .at(solver.places.at("lr_policy"))
        .advise(fmt::format("it is {}: look at its settings", policy.formula()));
  }
}

}  // namespace

std::unique_ptr<LrPolicy> make_policy(const config::SolverConfig& solver) {
  const auto& registry = Registry<PolicyTag>::instance();
  const std::string& name = solver.param.lr_policy();
  if (!solver.param.has_lr_policy())
    throw Error(ErrorCode::kConfig, "the solver does not say how the learning rate evolves")
        .at(solver.places.at())
        .advise(fmt::format("write lr_policy: \"fixed\" for a constant rate; known: {}",
                            join(registry.names(), ", ")));
  const PolicyTag::Entry* make = registry.find(name);
  if (make == nullptr)
    throw Error(ErrorCode::kConfig, fmt::format("unknown learning-rate policy '{}'", name))
        .at(solver.places.at("lr_policy"))
        .advise(suggestion(name, registry.names()));
  std::unique_ptr<LrPolicy> policy = (*make)(solver);
  check_rates(solver, *policy);
  return policy;
}

}  // namespace crema::optim
