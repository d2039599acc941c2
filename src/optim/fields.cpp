#include "optim/fields.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace crema::optim {

namespace {

const google::protobuf::FieldDescriptor* descriptor(const std::string& field) {
  const auto* found = caffe::SolverParameter::descriptor()->FindFieldByName(field);
  CREMA_CHECK(found != nullptr, "SolverParameter has no field " + field);
  return found;
}

}  // namespace

Fields::Fields(const config::SolverConfig& solver, std::string chooser)
    : solver_(solver), chooser_(std::move(chooser)) {}

bool Fields::has(const std::string& field) const {
  const auto* d = descriptor(field);
  const auto* reflection = solver_.param.GetReflection();
  return d->is_repeated() ? reflection->FieldSize(solver_.param, d) > 0
                          : reflection->HasField(solver_.param, d);
}

double Fields::value(const std::string& field) const {
  const auto* d = descriptor(field);
  const auto* reflection = solver_.param.GetReflection();
  if (d->cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_INT32)
    return reflection->GetInt32(solver_.param, d);
  return reflection->GetFloat(solver_.param, d);
}

Location Fields::place(const std::string& field) const {
  const std::string name = field.substr(0, field.find('['));
  if (has(name)) return solver_.places.at(field);
  return chooser_.empty() || !has(chooser_) ? solver_.places.at() : solver_.places.at(chooser_);
}

// lr_policy: "step"
std::string Fields::choice() const {
  const auto* reflection = solver_.param.GetReflection();
  return fmt::format("{}: \"{}\"", chooser_,
                     reflection->GetString(solver_.param, descriptor(chooser_)));
}

double Fields::number(const std::string& field) {
  const double x = value(field);
  if (!std::isfinite(x)) {
    fail(field, fmt::format("{} must be a finite number, not {}", field, x));
    bad_.push_back(field);
  }
  return x;
}

double Fields::required(const std::string& field, const std::string& example) {
  if (has(field)) return number(field);
  fail(field, fmt::format("{} needs {}, which is not set", choice(), field))
      .advise(fmt::format("write {}", example));
  bad_.push_back(field);
  return 0;
}

void Fields::check(bool ok, const std::string& field, const std::string& what, std::string hint) {
  if (ok || std::find(bad_.begin(), bad_.end(), field) != bad_.end()) return;
  const std::string given = fmt::format("{}{}", static_cast<float>(value(field)),
                                        has(field) ? "" : " (the value if unset)");
  const std::string whom = chooser_.empty() ? "" : " with " + choice();
  Error& error = fail(field, fmt::format("{} must be {}{}, not {}", field, what, whom, given));
  if (!hint.empty()) error.advise(std::move(hint));
}

Error& Fields::fail(const std::string& field, std::string message) {
  return found_.add(Error(ErrorCode::kConfig, std::move(message)).at(place(field)));
}

}  // namespace crema::optim
