// Reading the numbers of a SolverParameter or a message in it, with every mistake placed where the
// user wrote it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/config.hpp"

namespace crema::optim {

// The fields that one choice makes matter, e.g. those of lr_policy: "step". Mistakes are collected;
// done() throws them.
class Fields {
 public:
  // `chooser` is the field that made the choice: mistakes about absent fields point at it.
  explicit Fields(const config::SolverConfig& solver, const std::string& chooser = {});
  // The fields of a message inside the solver; `name` says which it is ("warmup").
  Fields(const google::protobuf::Message& message, config::Places places, std::string name);

  // A number field's value, its default if unset. It must be finite.
  double number(const std::string& field);
  // The same, but unset is a mistake; `example` is shown as what to write.
  double required(const std::string& field, const std::string& example);
  // All values of a repeated number field.
  std::vector<double> numbers(const std::string& field);
  bool has(const std::string& field) const;
  // `what` completes "FIELD must be ...". Nothing is added if the value is not finite or required
  // but unset: that has been said.
  void check(bool ok, const std::string& field, const std::string& what, std::string hint = {});
  Error& fail(const std::string& field, std::string message);
  bool clean() const { return found_.empty(); }
  void done() { found_.throw_if_any(); }

 private:
  double value(const std::string& field) const;
  Location place(const std::string& field) const;

  const google::protobuf::Message& message_;
  config::Places places_;
  std::string whom_;      // 'lr_policy: "step"', "warmup"; ""
  std::string fallback_;  // where an absent field is missed
  std::vector<std::string> bad_;
  Diagnostics found_;
};

}  // namespace crema::optim
