#include "config/parse.hpp"

#include <fmt/format.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>

#include <algorithm>
#include <map>

#include "config/diagnose.hpp"

namespace crema::config {

namespace pb = google::protobuf;

namespace {

constexpr size_t kMostMistakes = 20;
constexpr int kDeepestBlock = 100;

// protobuf's own complaints: shown only where we have nothing better to say.
class Collector : public pb::io::ErrorCollector {
 public:
  explicit Collector(const Outline& outline) : outline_(outline) {}
  std::vector<Error> errors;

 private:
  void AddError(int line, pb::io::ColumnNumber column, const std::string& message) override {
    const Location where =
        line < 0 ? outline_.file() : outline_.at(outline_.offset_of(line, column));
    errors.push_back(Error(ErrorCode::kConfig, in_our_style(message)).at(where));
  }
  void AddWarning(int, pb::io::ColumnNumber, const std::string&) override {}

  const Outline& outline_;
};

bool same_place(const Error& a, const Error& b) {
  return a.location.line == b.location.line && a.location.column == b.location.column;
}

std::vector<Error> in_order(std::vector<Error> errors) {
  std::stable_sort(errors.begin(), errors.end(), [](const Error& a, const Error& b) {
    return std::pair(a.location.line, a.location.column) <
           std::pair(b.location.line, b.location.column);
  });
  errors.erase(std::unique(errors.begin(), errors.end(), same_place), errors.end());
  if (errors.size() > kMostMistakes) {
    const size_t more = errors.size() - kMostMistakes;
    errors.erase(errors.begin() + kMostMistakes, errors.end());
    errors.back().note(fmt::format("{} more mistakes in this text are not shown", more));
  }
  return errors;
}

}  // namespace

Parsed parse_text(std::shared_ptr<const SourceText> source, std::string text,
                  pb::Message& message) {
  Parsed out{Outline(std::move(source), std::move(text), message.GetDescriptor()), {}};
  Collector collector(out.outline);
  pb::TextFormat::Parser parser;
  parser.RecordErrorsTo(&collector);
  parser.SetRecursionLimit(kDeepestBlock);
  if (parser.ParseFromString(out.outline.text(), &message)) return out;
  std::vector<Error> mistakes = out.outline.mistakes;
  for (Error& error : diagnose(out.outline, message.GetDescriptor()))
    mistakes.push_back(std::move(error));
  out.mistakes = in_order(mistakes.empty() ? std::move(collector.errors) : std::move(mistakes));
  if (out.mistakes.empty())
    out.mistakes.push_back(
        Error(ErrorCode::kConfig, "protobuf does not accept this text").at(out.outline.file()));
  return out;
}

void index_fields(const Outline& outline, const std::vector<OutlineField>& fields,
                  const pb::Descriptor* type, const std::string& prefix, Places::Index& index) {
  std::map<std::string, int> count;
  for (const OutlineField& field : fields) {
    const pb::FieldDescriptor* known = type->FindFieldByName(field.name);
    if (!known) continue;
    for (const OutlineValue& value : field.values) {
      const int element = known->is_repeated() ? count[field.name]++ : 0;
      const std::string path = element_path(join_paths(prefix, field.name), element);
      index.entries.emplace(path, outline.at(field.list ? value.begin : field.at));
      if (value.block && known->message_type())
        index_fields(outline, value.fields, known->message_type(), path, index);
    }
  }
}

}  // namespace crema::config
