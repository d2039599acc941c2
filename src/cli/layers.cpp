// crema layers: the layer types there are; crema layers TYPE: all about one of them.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>
#include <set>

#include "base/text.hpp"
#include "cli/docs.hpp"
#include "cli/verbs.hpp"
#include "data/source.hpp"
#include "layers/absent.hpp"
#include "layers/layer.hpp"

namespace crema::cli {

namespace {

constexpr size_t kWidth = 100;

// One layer type: registered as a layer, or as a data source that feeds one.
struct Type {
  std::string name, bottoms, tops;
  const SourceDoc* doc = nullptr;
};

std::string count_text(int low, int high) {
  if (high == layers::Signature::kAny) return fmt::format("{} or more", low);
  return low == high ? fmt::format("{}", low) : fmt::format("{} to {}", low, high);
}

const SourceDoc* doc_of(const std::string& table, const std::string& name) {
  for (const Registered& entry : all_registered()) {
    if (entry.table != table || entry.name != name) continue;
    for (size_t i = 0; i < kSourceDocCount; ++i)
      if (entry.file.ends_with(std::string("/") + kSourceDocs[i].file)) return &kSourceDocs[i];
  }
  CREMA_CHECK(false, "no head comment of the file that registers " + name);
  return nullptr;
}

std::vector<Type> all_types() {
  std::vector<Type> out;
  const auto& layer_table = Registry<layers::LayerTag>::instance();
  for (const std::string& name : layer_table.names()) {
    caffe::LayerParameter param;
    param.set_type(name);
    const layers::Signature s = (*layer_table.find(name))()->signature(param);
    out.push_back({name, count_text(s.min_bottoms, s.max_bottoms),
                   s.same_tops_as_bottoms ? "one per bottom" : count_text(s.min_tops, s.max_tops),
                   doc_of(layers::LayerTag::kTable, name)});
  }
  const auto& source_table = Registry<data::SourceTag>::instance();
  for (const std::string& name : source_table.names()) {
    const int most = source_table.find(name)->max_tops;
    out.push_back({name, "0", most > 2 ? "1 or more" : count_text(1, most),
                   doc_of(data::SourceTag::kTable, name)});
  }
  const auto lower = [](std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), [](char c) { return std::tolower(c); });
    return text;
  };
  std::sort(out.begin(), out.end(),
            [&](const Type& a, const Type& b) { return lower(a.name) < lower(b.name); });
  return out;
}

// The lines of a head comment without their slashes.
std::vector<std::string> comment_lines(const Type& type) {
  std::vector<std::string> out;
  for (const std::string& line : split(type.doc->comment, '\n'))
    out.push_back(line.size() > 3 ? line.substr(3) : std::string());
  if (!out.empty() && out[0].starts_with(type.name + ": ")) out[0].erase(0, type.name.size() + 2);
  return out;
}

// Where a sentence or its first half ends: before ". " or "; ", outside brackets.
size_t sentence_end(const std::string& text) {
  int open = 0;
  for (size_t i = 0; i + 1 < text.size(); ++i) {
    open += text[i] == '(' || text[i] == '{' ? 1 : text[i] == ')' || text[i] == '}' ? -1 : 0;
    const bool end = (text[i] == '.' && (i == 0 || text[i - 1] != '.')) || text[i] == ';';
    if (open == 0 && end && text[i + 1] == ' ') return i;
  }
  return text.size();
}

// The first sentence.
std::string summary(const Type& type) {
  std::string out;
  for (const std::string& line : comment_lines(type)) {
    if (line.starts_with("  ")) break;
    if (!out.empty()) out += ' ';
    out += line;
  }
  out = out.substr(0, sentence_end(out));
  constexpr size_t kLong = 70, kShort = 20;  // a formula behind a colon is left to `layers TYPE`
  if (const size_t colon = out.find(": "); out.size() > kLong && colon != std::string::npos)
    if (colon > kShort) out.resize(colon);
  while (!out.empty() && (out.back() == '.' || out.back() == ':')) out.pop_back();
  if (!out.starts_with("y ")) out[0] = static_cast<char>(std::toupper(out[0]));
  return out;
}

void print_table(const std::vector<Type>& types) {
  std::vector<std::array<std::string, 4>> rows{{"type", "bottoms", "tops", "what it is"}};
  for (const Type& type : types)
    rows.push_back({type.name, type.bottoms, type.tops, summary(type)});
  std::array<size_t, 3> widths{};
  for (const auto& row : rows)
    for (size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  for (const auto& row : rows)
    fmt::print("{:<{}}  {:<{}}  {:<{}}  {}\n", row[0], widths[0], row[1], widths[1], row[2],
               widths[2], row[3]);
}

// Words in lines of at most kWidth columns; those after the first begin at column `indent`.
void print_wrapped(std::string line, size_t indent, const std::string& text) {
  bool fresh = true;
  for (const std::string& word : split(text, ' ')) {
    if (!fresh && line.size() + 1 + word.size() > kWidth) {
      fmt::print("{}\n", line);
      line = std::string(indent, ' ');
      fresh = true;
    }
    if (!fresh) line += ' ';
    line += word;
    fresh = false;
  }
  line.erase(line.find_last_not_of(' ') + 1);
  fmt::print("{}\n", line);
}

void print_message(const std::string& heading, const MessageDoc& message) {
  fmt::print("\n{}\n", heading);
  print_wrapped("  ", 2, message.comment);
  size_t name = 0, type = 0;
  constexpr size_t kMostTypeColumns = 30;
  for (const FieldDoc& field : message.fields) {
    name = std::max(name, field.name.size());
    type = std::max(type, std::min(field.type.size(), kMostTypeColumns));
  }
  for (const FieldDoc& field : message.fields)
    print_wrapped(fmt::format("  {:<{}}  {:<{}}  ", field.name, name, field.type, type),
                  2 + name + 2 + type + 2, field.comment);
}

// Fields of LayerParameter that the type's file reads; the common one of its name first.
std::vector<std::string> settings_of(const Type& type) {
  std::vector<std::string> out;
  const std::vector<std::string> known = layer_setting_fields();
  for (const std::string& word : split(type.doc->params, ' '))
    if (std::find(known.begin(), known.end(), word) != known.end()) out.push_back(word);
  const auto* source = Registry<data::SourceTag>::instance().find(type.name);
  if (source && source->transforms) out.push_back("transform_param");
  return out;
}

void print_type(const Type& type) {
  fmt::print("{}   bottoms: {}   tops: {}\n\n", type.name, type.bottoms, type.tops);
  for (const std::string& line : comment_lines(type)) fmt::print("{}\n", line);
  std::vector<std::string> open;
  std::set<std::string> done;
  for (const std::string& field : settings_of(type)) {
    const MessageDoc message = message_doc(type_of_layer_field(field));
    if (!done.insert(message.name).second) continue;
    print_message(field, message);
    open.insert(open.end(), message.inner.begin(), message.inner.end());
  }
  for (size_t i = 0; i < open.size(); ++i) {
    if (!done.insert(open[i]).second) continue;
    const MessageDoc message = message_doc(open[i]);
    print_message(message.name, message);
    open.insert(open.end(), message.inner.begin(), message.inner.end());
  }
  fmt::print(
      "\nEvery layer has name, type, bottom, top, param {{ lr_mult decay_mult name }}, "
      "loss_weight,\n"
      "propagate_down, include and exclude besides (proto/net.proto).\n");
}

}  // namespace

int layers(Session& session) {
  const std::vector<Type> types = all_types();
  if (session.operands.empty()) {
    print_table(types);
    return 0;
  }
  const std::string& wanted = session.operands[0];
  std::vector<std::string> known;
  for (const Type& type : types) {
    known.push_back(type.name);
    if (type.name != wanted) continue;
    print_type(type);
    return 0;
  }
  if (const layers::AbsentType* absent = layers::absent_type(wanted))
    throw Error(ErrorCode::kUsage, fmt::format("{} {}", wanted, absent->reason))
        .advise(absent->advice);
  throw Error(ErrorCode::kUsage, fmt::format("unknown layer type '{}'", wanted))
      .advise(suggestion(wanted, known, known.size()));
}

}  // namespace crema::cli
