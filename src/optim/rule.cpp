#include "optim/rule.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace crema::optim {

std::unique_ptr<UpdateRule> make_rule(const config::SolverConfig& solver) {
  const auto& registry = Registry<RuleTag>::instance();
  const std::string& name = solver.param.type();
  const RuleTag::Entry* make = registry.find(name);
  if (make == nullptr)
    throw Error(ErrorCode::kConfig, fmt::format("unknown optimizer '{}'", name))
        .at(solver.places.at("type"))
        .advise(suggestion(name, registry.names()));
  return (*make)(solver);
}

}  // namespace crema::optim
