// Reading the numbers of a SolverParameter, with every mistake placed where the user wrote it.
#pragma once

#include <cstdint>
#include <string>

#include "config/config.hpp"

namespace crema::optim {

// The fields that one choice makes matter, e.g. those of lr_policy: "step". Mistakes are collected;
// done() throws them.
class Fields {
 public:
  // `chooser` is the field that made the choice: mistakes about absent fields point at it.
  explicit Fields(const config::SolverConfig& solver, std::string chooser = {});

  // A float or int32 field's value, its default if unset. It must be finite.
  double number(const std::string& field);
  // The same, but unset is a mistake; `example` is shown as what to write.
  double required(const std::string& field, const std::string& example);
  // `what` completes "FIELD must be ...". Nothing is added if the value is not finite or required
  // but unset: that has been said.
  void check(bool ok, const std::string& field, const std::string& what, std::string hint = {});
  Error& fail(const std::string& field, std::string message);
  bool clean() const { return found_.empty(); }
  void done() { found_.throw_if_any(); }

 private:
  bool has(const std::string& field) const;
  double value(const std::string& field) const;
  Location place(const std::string& field) const;
  std::string choice() const;

  const config::SolverConfig& solver_;
  std::string chooser_;
  std::vector<std::string> bad_;
  Diagnostics found_;
};

}  // namespace crema::optim
