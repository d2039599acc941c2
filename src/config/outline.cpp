#include "config/outline.hpp"

#include <fmt/format.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <cctype>

namespace crema::config {

namespace pb = google::protobuf;
using pb::io::Tokenizer;

namespace {

struct Token {
  Tokenizer::TokenType type = Tokenizer::TYPE_END;
  std::string text;
  size_t begin = 0, end = 0;
  int line = 0, column = 0;  // from 0, a tab counts as one
  bool first = false;        // first of its line
};

// Splits the text exactly as protobuf's text format does.
class Lexer : pb::io::ErrorCollector {
 public:
  explicit Lexer(Outline& outline) : outline_(outline) {
    pb::io::ArrayInputStream stream(outline.text().data(), static_cast<int>(outline.text().size()));
    Tokenizer tokenizer(&stream, this);
    tokenizer.set_comment_style(Tokenizer::SH_COMMENT_STYLE);
    tokenizer.set_allow_f_after_float(true);
    tokenizer.set_require_space_after_number(false);
    tokenizer.set_allow_multiline_strings(false);
    while (tokenizer.Next()) add(tokenizer.current());
    Token end;
    end.begin = end.end = outline.text().size();
    end.line = tokens.empty() ? 0 : tokens.back().line + 1;
    end.first = true;
    tokens.push_back(end);
  }

  std::vector<Token> tokens;

 private:
  void add(const Tokenizer::Token& from) {
    Token token;
    token.type = from.type;
    token.text = from.text;
    token.line = from.line;
    // Tokens come in order: go on from the last one, else a long line costs its square.
    if (from.line != line_) {
      line_ = from.line;
      line_start_ = offset_ = outline_.offset_of(from.line, 0);
      shown_ = 0;
    }
    for (; shown_ < from.column && offset_ < outline_.text().size(); ++offset_)
      shown_ += outline_.text()[offset_] == '\t' ? 8 - shown_ % 8 : 1;
    token.begin = offset_;
    token.end = offset_ + from.text.size();
    token.column = static_cast<int>(offset_ - line_start_);
    token.first = tokens.empty() || tokens.back().line != token.line;
    tokens.push_back(std::move(token));
  }

  void AddError(int line, pb::io::ColumnNumber column, const std::string& message) override {
    const bool open = message.find("line boundaries") != std::string::npos ||
                      message.find("Unexpected end of string") != std::string::npos;
    outline_.mistakes.push_back(
        Error(ErrorCode::kConfig,
              open ? "the text in quotes does not end on its line" : in_our_style(message))
            .at(outline_.at(outline_.offset_of(line, column))));
  }

  Outline& outline_;
  int line_ = -1, shown_ = 0;
  size_t line_start_ = 0, offset_ = 0;
};

class Reader {
 public:
  Reader(Outline& outline, std::vector<Token> tokens)
      : outline_(outline), tokens_(std::move(tokens)) {}

  void read(const pb::Descriptor* type) {
    open_.push_back({type, {}, '\0'});
    fields(outline_.fields);
  }

 private:
  struct Block {
    const pb::Descriptor* type;
    Token name;
    char closing;
  };

  const Token& now() const { return tokens_[next_]; }
  const Token& ahead() const { return tokens_[std::min(next_ + 1, tokens_.size() - 1)]; }
  bool ended() const { return now().type == Tokenizer::TYPE_END; }
  bool at_symbol(std::string_view any) const {
    return now().type == Tokenizer::TYPE_SYMBOL && any.find(now().text) != std::string_view::npos;
  }
  bool accept(std::string_view any) {
    const bool yes = at_symbol(any);
    if (yes) step();
    return yes;
  }
  void step() {
    if (!ended()) ++next_;
  }
  static bool knows(const pb::Descriptor* type, const std::string& name) {
    return type && type->FindFieldByName(name);
  }

  // One syntax mistake a line: the rest of the line is usually its consequence.
  void mistake(const Token& where, std::string message) {
    if (where.line == mistaken_line_) return;
    mistaken_line_ = where.line;
    outline_.mistakes.push_back(
        Error(ErrorCode::kConfig, std::move(message)).at(outline_.at(where.begin)));
  }

  void skip_line() {
    const int line = now().line;
    while (!ended() && now().line == line && !at_symbol("{}")) step();
  }

  void fields(std::vector<OutlineField>& into) {
    for (;;) {
      if (ended()) return unclosed();
      if (at_symbol("}>") && open_.size() > 1) return close();
      if (now().type == Tokenizer::TYPE_IDENTIFIER) {
        if (closed_by_layout()) return;
        field(into);
      } else {
        mistake(now(), at_symbol("}>")
                           ? fmt::format("'{}' closes nothing", now().text)
                           : fmt::format("expected a field name, not '{}'", now().text));
        step();
        skip_line();
      }
    }
  }

  void close() {
    if (now().text[0] != open_.back().closing)
      mistake(now(), fmt::format("'{}' is closed by '{}', not by '{}'", open_.back().name.text,
                                 open_.back().closing, now().text));
    step();
  }

  void unclosed() {
    if (open_.size() == 1 || reported_open_) return;
    reported_open_ = true;
    not_closed(open_.back().name, "the end of the file");
  }

  void not_closed(const Token& name, const std::string& before) {
    outline_.mistakes.push_back(
        Error(ErrorCode::kConfig,
              fmt::format("the block '{}' is not closed before {}", name.text, before))
            .at(outline_.at(name.begin))
            .advise("add the missing '}'"));
  }

  // A field that belongs further out and stands no further right than the block it is in: the
  // block was meant to end before it.
  bool closed_by_layout() {
    if (open_.size() == 1 || !now().first || knows(open_.back().type, now().text)) return false;
    if (now().column > open_.back().name.column) return false;
    const auto outer = std::find_if(open_.begin(), open_.end() - 1,
                                    [&](const Block& b) { return knows(b.type, now().text); });
    if (outer == open_.end() - 1) return false;
    not_closed(open_.back().name, fmt::format("'{}' in line {}", now().text, now().line + 1));
    return true;
  }

  void field(std::vector<OutlineField>& into) {
    const Token name = now();
    const pb::Descriptor* type = open_.back().type;
    const pb::FieldDescriptor* known = type ? type->FindFieldByName(name.text) : nullptr;
    into.push_back({name.text, name.begin, false, {}});
    OutlineField& out = into.back();
    step();
    const bool colon = accept(":");
    const bool equals = !colon && at_symbol("=");
    if (equals) {
      mistake(now(), fmt::format("expected ':' after '{}', not '='", name.text));
      step();
    }
    if (at_symbol("[")) {
      out.list = true;
      list(out, known, name);
    } else if (at_symbol("{<")) {
      block(out, known, name);
    } else if (!starts_value(name)) {
      mistake(name, fmt::format("'{}' has no value", name.text));
      if (!ended() && now().line == name.line && !at_symbol("};,>")) skip_line();
    } else {
      if (!colon && !equals) mistake(name, fmt::format("expected ':' after '{}'", name.text));
      scalar(out);
    }
    accept(";,");
  }

  bool starts_value(const Token& name) const {
    if (ended() || (now().type == Tokenizer::TYPE_SYMBOL && now().text != "-")) return false;
    // "name:" and then a line with the next field: that field is not the value.
    return !(now().line != name.line && now().type == Tokenizer::TYPE_IDENTIFIER &&
             ahead().type == Tokenizer::TYPE_SYMBOL &&
             std::string_view(":{").find(ahead().text) != std::string_view::npos);
  }

  void scalar(OutlineField& out) {
    OutlineValue value;
    value.begin = now().begin;
    value.quoted = now().type == Tokenizer::TYPE_STRING;
    if (at_symbol("-")) step();
    if (value.quoted) {
      for (; now().type == Tokenizer::TYPE_STRING; step()) value.end = now().end;
    } else {
      value.end = now().end;
      for (step(); continues(value.end); step()) value.end = now().end;
      if (now().begin == value.end && now().type == Tokenizer::TYPE_IDENTIFIER)
        mistake(now(), fmt::format("expected a space before '{}'", now().text));
    }
    out.values.push_back(std::move(value));
  }

  // "3x3", "data/train.txt": one value to the user, several tokens to protobuf. The name of the
  // next field right behind a number is only a missing space.
  bool continues(size_t end) const {
    if (now().begin != end || ended()) return false;
    if (now().type == Tokenizer::TYPE_IDENTIFIER)
      return tokens_[next_ - 1].type == Tokenizer::TYPE_SYMBOL ||
             !knows(open_.back().type, now().text);
    if (now().type == Tokenizer::TYPE_SYMBOL)
      return std::string_view("{}<>[]:;,").find(now().text) == std::string_view::npos;
    return now().type != Tokenizer::TYPE_STRING;
  }

  void list(OutlineField& out, const pb::FieldDescriptor* known, const Token& name) {
    step();
    if (accept("]")) return;
    for (;;) {
      if (at_symbol("{<")) {
        block(out, known, name);
      } else if (!ended() && (now().type != Tokenizer::TYPE_SYMBOL || at_symbol("-"))) {
        scalar(out);
      }
      if (accept("]")) return;
      if (accept(",")) continue;
      mistake(ended() ? name : now(),
              ended() ? fmt::format("the list '{}' is not closed", name.text)
                      : fmt::format("expected ',' or ']' in the list, not '{}'", now().text));
      skip_line();
      return;
    }
  }

  void block(OutlineField& out, const pb::FieldDescriptor* known, const Token& name) {
    OutlineValue value;
    value.block = true;
    value.begin = now().begin;
    if (known && known->message_type()) {
      open_.push_back({known->message_type(), name, now().text == "{" ? '}' : '>'});
      step();
      fields(value.fields);
      open_.pop_back();
    } else {
      skip_block(name);
    }
    value.end = next_ > 0 ? tokens_[next_ - 1].end : value.begin;
    out.values.push_back(std::move(value));
  }

  // The block of a field that we do not know, however deep. Ends at its brace.
  void skip_block(const Token& name) {
    int depth = 0;
    for (; !ended(); step()) {
      if (at_symbol("{<")) ++depth;
      if (at_symbol("}>") && --depth == 0) return step();
    }
    if (!reported_open_) not_closed(name, "the end of the file");
    reported_open_ = true;
  }

  Outline& outline_;
  std::vector<Token> tokens_;
  size_t next_ = 0;
  std::vector<Block> open_;  // the first one is the file
  int mistaken_line_ = -1;
  bool reported_open_ = false;
};

}  // namespace

std::string in_our_style(std::string message) {
  if (message.ends_with('.')) message.pop_back();
  if (!message.empty())
    message[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(message[0])));
  return message;
}

Outline::Outline(std::shared_ptr<const SourceText> source, std::string text,
                 const pb::Descriptor* type)
    : source_(std::move(source)), text_(std::move(text)) {
  line_starts_.push_back(0);
  for (size_t i = text_.find('\n'); i != std::string::npos; i = text_.find('\n', i + 1))
    line_starts_.push_back(i + 1);
  Lexer lexer(*this);
  Reader(*this, std::move(lexer.tokens)).read(type);
}

Location Outline::at(size_t offset) const {
  const auto after = std::upper_bound(line_starts_.begin(), line_starts_.end(), offset);
  const auto line = after - line_starts_.begin();
  return {source_, static_cast<int>(line), static_cast<int>(offset - *(after - 1)) + 1};
}

size_t Outline::offset_of(int line, int column) const {
  if (line < 0 || static_cast<size_t>(line) >= line_starts_.size()) return text_.size();
  size_t offset = line_starts_[line];
  for (int shown = 0; shown < column && offset < text_.size() && text_[offset] != '\n'; ++offset)
    shown += text_[offset] == '\t' ? 8 - shown % 8 : 1;
  return offset;
}

}  // namespace crema::config
