#include "optim/fields.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace crema::optim {

namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

const FieldDescriptor* descriptor(const Message& message, const std::string& field) {
  const auto* found = message.GetDescriptor()->FindFieldByName(field.substr(0, field.find('[')));
  CREMA_CHECK(found != nullptr, message.GetDescriptor()->name() + " has no field " + field);
  return found;
}

// lr_policy: "step"
std::string choice(const config::SolverConfig& solver, const std::string& chooser) {
  if (chooser.empty()) return {};
  return fmt::format(
      "{}: \"{}\"", chooser,
      solver.param.GetReflection()->GetString(solver.param, descriptor(solver.param, chooser)));
}

double number_in(const Message& message, const FieldDescriptor* d, int element) {
  const auto* r = message.GetReflection();
  const bool list = d->is_repeated();
  switch (d->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return list ? r->GetRepeatedInt32(message, d, element) : r->GetInt32(message, d);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return list ? r->GetRepeatedDouble(message, d, element) : r->GetDouble(message, d);
    default:
      return list ? r->GetRepeatedFloat(message, d, element) : r->GetFloat(message, d);
  }
}

}  // namespace

Fields::Fields(const config::SolverConfig& solver, const std::string& chooser)
    : message_(solver.param), places_(solver.places), whom_(choice(solver, chooser)) {
  if (!chooser.empty() && has(chooser)) fallback_ = chooser;
}

Fields::Fields(const Message& message, config::Places places, std::string name)
    : message_(message), places_(std::move(places)), whom_(std::move(name)) {}

bool Fields::has(const std::string& field) const {
  const auto* d = descriptor(message_, field);
  const auto* reflection = message_.GetReflection();
  return d->is_repeated() ? reflection->FieldSize(message_, d) > 0
                          : reflection->HasField(message_, d);
}

double Fields::value(const std::string& field) const {
  const size_t bracket = field.find('[');
  return number_in(message_, descriptor(message_, field),
                   bracket == std::string::npos ? 0 : std::stoi(field.substr(bracket + 1)));
}

Location Fields::place(const std::string& field) const {
  return places_.at(has(field) ? field : fallback_);
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
  fail(field, fmt::format("{} needs {}, which is not set", whom_, field))
      .advise(fmt::format("write {}", example));
  bad_.push_back(field);
  return 0;
}

std::vector<double> Fields::numbers(const std::string& field) {
  std::vector<double> out;
  const int size = message_.GetReflection()->FieldSize(message_, descriptor(message_, field));
  for (int i = 0; i < size; ++i) out.push_back(number(fmt::format("{}[{}]", field, i)));
  return out;
}

void Fields::check(bool ok, const std::string& field, const std::string& what, std::string hint) {
  if (ok || std::find(bad_.begin(), bad_.end(), field) != bad_.end()) return;
  const std::string given = fmt::format("{}{}", static_cast<float>(value(field)),
                                        has(field) ? "" : " (the value if unset)");
  const std::string whom = whom_.empty() ? "" : " with " + whom_;
  Error& error = fail(field, fmt::format("{} must be {}{}, not {}", field, what, whom, given));
  if (!hint.empty()) error.advise(std::move(hint));
}

Error& Fields::fail(const std::string& field, std::string message) {
  return found_.add(Error(ErrorCode::kConfig, std::move(message)).at(place(field)));
}

}  // namespace crema::optim
