#include "base/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

namespace crema {

std::string Location::text() const {
  if (!source) return {};
  if (line == 0) return source->name;
  return fmt::format("{}:{}:{}", source->name, line, column);
}

std::string Location::excerpt() const {
  if (!source || line == 0) return {};
  const std::string& text = source->text;
  size_t begin = 0;
  for (int i = 1; i < line; ++i) {
    begin = text.find('\n', begin);
    if (begin == std::string::npos) return {};
    ++begin;
  }
  const std::string row = text.substr(begin, text.find('\n', begin) - begin);
  std::string caret;
  // Tabs are kept, so that the caret stands below the column however wide a tab is shown.
  for (int i = 0; i + 1 < column && i < static_cast<int>(row.size()); ++i)
    caret += row[i] == '\t' ? '\t' : ' ';
  return fmt::format("    {}\n    {}^", row, caret);
}

Error& Error::at(Location where) {
  location = std::move(where);
  return *this;
}

Error& Error::note(std::string text, Location where) {
  notes.push_back({std::move(text), std::move(where)});
  return *this;
}

Error& Error::advise(std::string text) {
  hint = std::move(text);
  return *this;
}

static std::string placed(const Location& where, const std::string& label,
                          const std::string& message) {
  std::string out;
  if (where.known()) out = where.text() + ": ";
  out += label + message;
  const std::string excerpt = where.excerpt();
  if (!excerpt.empty()) out += "\n" + excerpt;
  return out;
}

std::string Error::report() const {
  std::string out = placed(location, "error: ", message);
  for (const Note& n : notes) out += "\n" + placed(n.location, "note: ", n.message);
  if (!hint.empty()) out += "\n  hint: " + hint;
  return out;
}

const char* Error::what() const noexcept {
  try {
    what_ = report();
    return what_.c_str();
  } catch (...) {
    return message.c_str();
  }
}

ErrorList::ErrorList(std::vector<Error> errors) : errors_(std::move(errors)) {
  for (const Error& e : errors_) what_ += (what_.empty() ? "" : "\n") + e.report();
}

Error& Diagnostics::add(Error error) {
  errors_.push_back(std::move(error));
  return errors_.back();
}

void Diagnostics::add(const ErrorList& list) {
  errors_.insert(errors_.end(), list.errors().begin(), list.errors().end());
}

void Diagnostics::throw_if_any() {
  if (errors_.empty()) return;
  // By file, in the order in which files were first complained of; within a file by place.
  std::map<const SourceText*, size_t> order;
  for (const Error& error : errors_) order.emplace(error.location.source.get(), order.size());
  const auto key = [&](const Error& error) {
    return std::tuple(order.at(error.location.source.get()), error.location.line,
                      error.location.column);
  };
  std::stable_sort(errors_.begin(), errors_.end(),
                   [&](const Error& a, const Error& b) { return key(a) < key(b); });
  if (errors_.size() == 1) throw errors_.front();
  throw ErrorList(std::move(errors_));
}

void logic_failure(const char* file, int line, const char* expression, const std::string& message) {
  throw LogicError(fmt::format("{}:{}: internal error: {} ({})", file, line, message, expression));
}

}  // namespace crema
