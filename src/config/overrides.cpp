#include "config/overrides.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/text.hpp"
#include "config/diagnose.hpp"
#include "config/parse.hpp"

namespace crema::config {

namespace pb = google::protobuf;

namespace {

struct Step {
  std::string name;
  size_t at = 0;
  std::optional<int> index;
};

class Override {
 public:
  Override(const std::string& text, caffe::SolverParameter& solver, Places::Index& index)
      : source_(std::make_shared<const SourceText>(SourceText{"--set " + text, text})),
        text_(text),
        message_(&solver),
        index_(index) {}

  void apply() {
    const size_t equals = text_.find('=');
    if (equals == std::string::npos)
      throw error(text_.size(), "expected FIELD=VALUE").advise("for instance base_lr=0.02");
    std::vector<Step> steps = read_path(equals);
    if (steps.size() > 1 && steps.front().name == "solver") steps.erase(steps.begin());
    for (size_t i = 0; i + 1 < steps.size(); ++i) descend(steps[i]);
    set(steps.back(), equals);
  }

 private:
  Error error(size_t offset, std::string message) const {
    return Error(ErrorCode::kConfig, std::move(message))
        .at({source_, 1, static_cast<int>(offset) + 1});
  }

  // "a.b[2]" before the '='.
  std::vector<Step> read_path(size_t equals) const {
    std::vector<Step> out;
    size_t at = text_.find_first_not_of(' ');
    for (;;) {
      Step step;
      step.at = at;
      while (at < equals &&
             (std::isalnum(static_cast<unsigned char>(text_[at])) || text_[at] == '_'))
        step.name += text_[at++];
      if (step.name.empty()) throw error(at, "expected the name of a field");
      if (text_[at] == '[') at = read_index(at, equals, step);
      out.push_back(std::move(step));
      if (text_[at] == '.') {
        ++at;
        continue;
      }
      const size_t rest = text_.find_first_not_of(' ', at);
      if (rest != equals) throw error(rest, fmt::format("expected '=', not '{}'", text_[rest]));
      return out;
    }
  }

  size_t read_index(size_t at, size_t equals, Step& step) const {
    const size_t close = text_.find(']', at);
    const char* first = text_.data() + at + 1;
    int value = 0;
    if (close != std::string::npos && close < equals) {
      const auto [end, failure] = std::from_chars(first, text_.data() + close, value);
      if (failure == std::errc() && end == text_.data() + close && value >= 0) {
        step.index = value;
        return close + 1;
      }
    }
    throw error(at + 1, "expected the number of an element and ']'");
  }

  const pb::FieldDescriptor* field(const Step& step) const {
    const pb::Descriptor* type = message_->GetDescriptor();
    const pb::FieldDescriptor* known = type->FindFieldByName(step.name);
    const std::string where = path_.empty() ? "the " + file_kind(type) : "'" + path_ + "'";
    if (!known) throw unknown_field(step.name, type, where).at(error(step.at, "").location);
    if (step.index && !known->is_repeated())
      throw error(step.at, fmt::format("'{}' is not a list", step.name));
    return known;
  }

  // The element may be the one after the last: then it is new.
  int element(const Step& step, const pb::FieldDescriptor* list) const {
    const int size = message_->GetReflection()->FieldSize(*message_, list);
    const int index = step.index.value_or(0);
    if (index > size)
      throw error(step.at, fmt::format("'{}' has {} elements: [{}] would leave a gap", step.name,
                                       size, index));
    return index;
  }

  void descend(const Step& step) {
    const pb::FieldDescriptor* known = field(step);
    if (!known->message_type())
      throw error(step.at, fmt::format("'{}' is not a block: it has no fields", step.name));
    const pb::Reflection& reflection = *message_->GetReflection();
    path_ = join_paths(path_, step.name);
    if (!known->is_repeated()) {
      message_ = reflection.MutableMessage(message_, known);
      return;
    }
    const int index = element(step, known);
    path_ = element_path(path_, index);
    message_ = index < reflection.FieldSize(*message_, known)
                   ? reflection.MutableRepeatedMessage(message_, known, index)
                   : reflection.AddMessage(message_, known);
  }

  void set(const Step& step, size_t equals) {
    const pb::FieldDescriptor* known = field(step);
    const std::unique_ptr<pb::Message> fresh(message_->New());
    const Parsed parsed = parse_text(source_, as_message(step, known, equals), *fresh);
    Diagnostics diagnostics;
    for (const Error& mistake : parsed.mistakes) diagnostics.add(mistake);
    diagnostics.throw_if_any();
    const size_t values =
        parsed.outline.fields.empty() ? 0 : parsed.outline.fields[0].values.size();
    if (parsed.outline.fields.size() != 1 || (step.index && values != 1))
      throw error(equals + 1, "expected one value").advise("use one --set for each field");
    replace(step, known, *fresh, parsed.outline);
  }

  // The override as a text-format field of the enclosing message, every part in its old column.
  std::string as_message(const Step& step, const pb::FieldDescriptor* known, size_t equals) const {
    const size_t value = text_.find_first_not_of(" \t\n", equals + 1);
    if (value == std::string::npos)
      throw error(equals + 1, fmt::format("'{}' needs a value", step.name))
          .advise(known->cpp_type() == pb::FieldDescriptor::CPPTYPE_STRING
                      ? fmt::format("write {}=\"\" for an empty text", step.name)
                      : "");
    std::string out(value, ' ');
    out.replace(step.at, step.name.size(), step.name);
    out[equals] = ':';
    const std::string given = text_.substr(value);
    const bool texts = known->cpp_type() == pb::FieldDescriptor::CPPTYPE_STRING;
    return out + (texts ? quoted(given, known->is_repeated() && !step.index) : given);
  }

  // Texts may come without quotes, as the shell eats them.
  static std::string quoted(std::string_view given, bool list) {
    given = given.substr(0, given.find_last_not_of(" \t\n") + 1);
    if (!list || given.front() != '[' || given.back() != ']') return in_quotes(given);
    std::string out = "[";
    for (const std::string& element : elements(given.substr(1, given.size() - 2)))
      out += (out.size() > 1 ? ", " : "") + in_quotes(element);
    return out + "]";
  }

  // Split at the commas that are not inside quotes.
  static std::vector<std::string> elements(std::string_view list) {
    std::vector<std::string> out;
    char quote = '\0';
    size_t begin = 0;
    for (size_t i = 0; i <= list.size(); ++i) {
      if (i == list.size() || (list[i] == ',' && quote == '\0')) {
        for (const std::string& element : split(list.substr(begin, i - begin), '\n'))
          out.push_back(element);
        begin = i + 1;
      } else if (list[i] == quote) {
        quote = '\0';
      } else if (quote == '\0' && (list[i] == '"' || list[i] == '\'')) {
        quote = list[i];
      }
    }
    return out;
  }

  static std::string in_quotes(std::string_view text) {
    if (text.starts_with('"') || text.starts_with('\'')) return std::string(text);
    std::string out = "\"";
    for (const char c : text) {
      if (c == '"' || c == '\\') out += '\\';
      if (c == '\n')
        out += "\\n";
      else
        out += c;
    }
    return out + "\"";
  }

  void replace(const Step& step, const pb::FieldDescriptor* known, const pb::Message& fresh,
               const Outline& outline) {
    const pb::Reflection& reflection = *message_->GetReflection();
    Places::Index places;
    index_fields(outline, outline.fields, message_->GetDescriptor(), {}, places);
    std::string path = join_paths(path_, step.name);
    if (!step.index) {
      reflection.ClearField(message_, known);
      message_->MergeFrom(fresh);
      index_.erase(path);
    } else {
      const int index = element(step, known);
      const int last = reflection.FieldSize(*message_, known);
      message_->MergeFrom(fresh);
      if (index < last) {
        reflection.SwapElements(message_, known, index, last);
        reflection.RemoveLast(message_, known);
      }
      path = element_path(path, index);
      if (index > 0) index_.erase(path);  // element 0 is overwritten below, the others stay
    }
    for (const auto& [inner, where] : places.entries)
      index_.entries[path + inner.substr(step.name.size())] = where;
    add_parents(outline.at(step.at));
  }

  // Blocks that only this override brought into being stand where it does.
  void add_parents(const Location& where) {
    for (std::string path = path_; !path.empty(); path = parent_path(path))
      index_.entries.emplace(path, where);
  }

  std::shared_ptr<const SourceText> source_;
  std::string text_;
  pb::Message* message_;
  std::string path_;  // of message_
  Places::Index& index_;
};

}  // namespace

void apply_override(const std::string& text, caffe::SolverParameter& solver, Places::Index& index) {
  Override(text, solver, index).apply();
}

}  // namespace crema::config
