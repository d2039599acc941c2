// Errors are part of the interface: every mistake a user can make ends up as one of these.
#pragma once

#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace crema {

// Exit codes of the program; README documents them. Scripts rely on the numbers.
enum class ErrorCode : int {
  kUsage = 1,          // command line: unknown verb or flag, missing or contradictory flags
  kConfig = 2,         // a net or solver definition is wrong
  kUnmatchedRule = 3,  // a rule of the solver matches nothing
  kData = 4,           // a data source is missing, damaged or inconsistent
  kNonFinite = 5,      // loss or gradient became NaN or infinite
  kOutput = 6,         // a file could not be written (disk full, no permission)
  kWeights = 7,        // a weights or state file is missing, damaged or does not fit the net
  kInternal = 70,      // a bug in crema
  kRequeue = 75,       // stopped by SIGTERM after a snapshot; run again with --snapshot
};

// The text of one input file (or of one --set flag), kept so that errors can show the line.
struct SourceText {
  std::string name;
  std::string text;
};

// A place in an input text. line and column count from 1; line 0 means "somewhere in the file".
struct Location {
  std::shared_ptr<const SourceText> source;
  int line = 0;
  int column = 0;

  bool known() const { return source != nullptr; }
  // "file:line:column", "file" without a line, "" if unknown.
  std::string text() const;
  // The source line with a caret below the column, each line indented; "" if there is no line.
  std::string excerpt() const;
};

// A located message beside the main one ("first defined here").
struct Note {
  std::string message;
  Location location;
};

// One mistake: what is wrong, where, and what to do about it.
class Error : public std::exception {
 public:
  Error(ErrorCode code, std::string message) : code(code), message(std::move(message)) {}

  Error& at(Location where);
  Error& note(std::string text, Location where = {});
  Error& advise(std::string text);  // what to do; shown as "hint: ..."

  // The whole report: location, message, excerpt, notes, hint. No trailing newline.
  std::string report() const;
  const char* what() const noexcept override;

  ErrorCode code;
  std::string message;
  Location location;
  std::vector<Note> notes;
  std::string hint;

 private:
  mutable std::string what_;
};

// Several mistakes reported together, in the order of their places. Never empty when thrown.
class ErrorList : public std::exception {
 public:
  explicit ErrorList(std::vector<Error> errors);
  const std::vector<Error>& errors() const { return errors_; }
  ErrorCode code() const { return errors_.front().code; }
  const char* what() const noexcept override { return what_.c_str(); }

 private:
  std::vector<Error> errors_;
  std::string what_;
};

// Collects mistakes so that all of a file's are shown at once.
class Diagnostics {
 public:
  // Adds a copy; returns the stored error so that notes and hints can be chained.
  Error& add(Error error);
  void add(const ErrorList& list);
  // Runs fn; an Error or ErrorList it throws is collected. True if nothing was thrown.
  template <class Fn>
  bool guard(Fn&& fn) {
    try {
      fn();
      return true;
    } catch (const Error& error) {
      add(error);
    } catch (const ErrorList& list) {
      add(list);
    }
    return false;
  }
  bool empty() const { return errors_.empty(); }
  const std::vector<Error>& errors() const { return errors_; }
  // Throws the single Error, or an ErrorList, if anything was collected.
  void throw_if_any();

 private:
  std::vector<Error> errors_;
};

// A bug in crema: a broken promise between rooms. No input file may lead here.
class LogicError : public std::exception {
 public:
  explicit LogicError(std::string message) : message_(std::move(message)) {}
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  std::string message_;
};

[[noreturn]] void logic_failure(const char* file, int line, const char* expression,
                                const std::string& message);

// Checks a promise between rooms; throws LogicError with the place in crema's own source.
#define CREMA_CHECK(condition, message)                                  \
  do {                                                                   \
    if (!(condition)) [[unlikely]]                                       \
      ::crema::logic_failure(__FILE__, __LINE__, #condition, (message)); \
  } while (false)

}  // namespace crema
