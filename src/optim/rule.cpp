#include "optim/rule.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace crema::optim {

std::unique_ptr<UpdateRule> make_rule(const config::SolverConfig& solver) {
  const auto& registry = Registry<RuleTag>::instance();
  const std::string& name = solver.param.type();
  const RuleTag::Entry* entry = registry.find(name);
  if (entry == nullptr)
    throw Error(ErrorCode::kConfig, fmt::format("unknown optimizer '{}'", name))
        .at(solver.places.at("type"))
        .advise(suggestion(name, registry.names()));
  Diagnostics found;
  refuse_fields_of_others<RuleTag>(solver, "type", name, found);
  std::unique_ptr<UpdateRule> rule;
  found.guard([&] { rule = entry->make(solver); });
  found.throw_if_any();
  return rule;
}

}  // namespace crema::optim
