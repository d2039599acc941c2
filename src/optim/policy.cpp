#include "optim/policy.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "optim/rate_modifiers.hpp"

namespace crema::optim {

namespace {

// Rates are applied in float. Between two boundaries every policy is monotonic, so that these and
// the ends of the run speak for all of it.
void check_rates(const config::SolverConfig& solver, const LrPolicy& policy) {
  const int64_t max_iter = std::max<int64_t>(1, solver.param.max_iter());
  std::vector<int64_t> moments = policy.boundaries(max_iter);
  moments.insert(moments.begin(), 0);
  moments.push_back(max_iter - 1);
  for (const int64_t t : moments) {
    const double rate = policy.rate(t);
    if (std::abs(rate) <= std::numeric_limits<float>::max()) continue;
    throw Error(ErrorCode::kConfig,
                fmt::format("the learning rate of iteration {} is {:g}, beyond what a float holds",
                            t, rate))
        .at(solver.places.at("lr_policy"))
        .advise(fmt::format("it is {}: look at its settings", policy.formula()));
  }
}

const PolicyTag::Entry& chosen(const config::SolverConfig& solver) {
  const auto& registry = Registry<PolicyTag>::instance();
  const std::string& name = solver.param.lr_policy();
  if (!solver.param.has_lr_policy())
    throw Error(ErrorCode::kConfig, "the solver does not say how the learning rate evolves")
        .at(solver.places.at())
        .advise(fmt::format("write lr_policy: \"fixed\" for a constant rate; known: {}",
                            join(registry.names(), ", ")));
  if (const PolicyTag::Entry* entry = registry.find(name)) return *entry;
  throw Error(ErrorCode::kConfig, fmt::format("unknown learning-rate policy '{}'", name))
      .at(solver.places.at("lr_policy"))
      .advise(suggestion(name, registry.names(), registry.names().size()));
}

}  // namespace

std::unique_ptr<LrPolicy> make_policy(const config::SolverConfig& solver) {
  const PolicyTag::Entry& entry = chosen(solver);
  Diagnostics found;
  refuse_fields_of_others<PolicyTag>(solver, "lr_policy", solver.param.lr_policy(), found);
  std::unique_ptr<LrPolicy> policy;
  found.guard([&] { policy = entry.make(solver); });
  check_modifiers(solver, found);
  found.throw_if_any();
  policy = with_floor(solver, std::move(policy));
  policy = with_warmup(solver, std::move(policy));
  check_rates(solver, *policy);
  return policy;
}

}  // namespace crema::optim
