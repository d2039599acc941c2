#include "optim/rule.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "optim/overlay.hpp"

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

bool elementwise(const config::SolverConfig& solver) {
  Diagnostics ignored;
  bool all = true;
  const auto ask = [&](const config::SolverConfig& own) { all &= make_rule(own)->elementwise(); };
  ignored.guard([&] { ask(solver); });
  for (int r = 0; r < solver.param.param_rule_size(); ++r)
    if (solver.param.param_rule(r).has_optimizer())
      ignored.guard([&] { ask(with_optimizer_of(solver, r)); });
  return all;
}

}  // namespace crema::optim
