// What the registries of policies and optimizers share: a name chooses, and brings its own fields.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/registry.hpp"
#include "base/text.hpp"
#include "config/config.hpp"

namespace crema::optim {

// A registered thing: how it is made, and the fields of SolverParameter that only it, or it and few
// others, read. BVLC's fields are not listed: BVLC ignores those that do not matter.
template <class Thing>
struct Choice {
  using Factory = std::unique_ptr<Thing> (*)(const config::SolverConfig&);
  Choice(Factory make, std::vector<std::string> own = {})  // NOLINT: a factory is one
      : make(make), own(std::move(own)) {}
  Factory make;
  std::vector<std::string> own;
};

inline bool is_set(const caffe::SolverParameter& solver, const std::string& field) {
  const auto* d = solver.GetDescriptor()->FindFieldByName(field);
  CREMA_CHECK(d != nullptr, "SolverParameter has no field " + field);
  const auto* reflection = solver.GetReflection();
  return d->is_repeated() ? reflection->FieldSize(solver, d) > 0 : reflection->HasField(solver, d);
}

// A mistake for each field that is set but belongs to other choices than `name`.
template <class Tag>
void refuse_fields_of_others(const config::SolverConfig& solver, const std::string& chooser,
                             const std::string& name, Diagnostics& found) {
  const auto& registry = Registry<Tag>::instance();
  std::map<std::string, std::vector<std::string>> readers;
  for (const std::string& other : registry.names())
    for (const std::string& field : registry.find(other)->own) readers[field].push_back(other);
  for (const auto& [field, names] : readers) {
    if (!is_set(solver.param, field) || std::count(names.begin(), names.end(), name) > 0) continue;
    found
        .add(Error(ErrorCode::kConfig,
                   fmt::format("{} does nothing with {}: \"{}\"", field, chooser, name))
                 .at(solver.places.at(field)))
        .advise(
            fmt::format("it belongs to {}: \"{}\"; remove it", chooser, join(names, "\" and \"")));
  }
}

}  // namespace crema::optim
