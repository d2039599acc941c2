#include "config/diagnose.hpp"

#include <fmt/format.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>

#include <limits>
#include <map>
#include <memory>

#include "base/text.hpp"
#include "proto/net.pb.h"
#include "proto/solver.pb.h"

namespace crema::config {

namespace pb = google::protobuf;
using pb::FieldDescriptor;

namespace {

struct Silent : pb::io::ErrorCollector {
  void AddError(int, pb::io::ColumnNumber, const std::string&) override {}
};

// protobuf's own verdict on one value.
bool accepts(const FieldDescriptor* field, const std::string& value) {
  Silent silent;
  pb::TextFormat::Parser parser;
  parser.RecordErrorsTo(&silent);
  const std::unique_ptr<pb::Message> scratch(
      pb::MessageFactory::generated_factory()->GetPrototype(field->containing_type())->New());
  return parser.ParseFieldValueFromString(value, field, scratch.get());
}

template <class T>
std::string whole_number() {
  return fmt::format("a whole number from {} to {}", std::numeric_limits<T>::min(),
                     std::numeric_limits<T>::max());
}

std::string expected(const FieldDescriptor* field) {
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return whole_number<int32_t>();
    case FieldDescriptor::CPPTYPE_INT64:
      return whole_number<int64_t>();
    case FieldDescriptor::CPPTYPE_UINT32:
      return whole_number<uint32_t>();
    case FieldDescriptor::CPPTYPE_UINT64:
      return whole_number<uint64_t>();
    case FieldDescriptor::CPPTYPE_DOUBLE:
    case FieldDescriptor::CPPTYPE_FLOAT:
      return "a number";
    case FieldDescriptor::CPPTYPE_BOOL:
      return "true or false";
    case FieldDescriptor::CPPTYPE_ENUM:
      return "one of its names, without quotes";
    case FieldDescriptor::CPPTYPE_STRING:
      return "text in quotes";
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return fmt::format("a block, {} {{ ... }}", field->name());
  }
  return {};
}

std::vector<std::string> enum_names(const pb::EnumDescriptor* type) {
  std::vector<std::string> out;
  for (int i = 0; i < type->value_count(); ++i) out.push_back(type->value(i)->name());
  return out;
}

std::string shortened(std::string_view value) {
  constexpr size_t kShown = 40;
  return value.size() <= kShown ? std::string(value) : std::string(value.substr(0, kShown)) + "...";
}

Error bad_value(const FieldDescriptor* field, std::string_view value, bool quoted) {
  const std::string shown = shortened(value);
  if (!field->enum_type() || quoted) {
    Error error(ErrorCode::kConfig,
                fmt::format("{} expects {}, not {}", field->name(), expected(field), shown));
    if (field->enum_type()) error.advise("known: " + join(enum_names(field->enum_type()), ", "));
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING)
      error.advise(fmt::format("write {}: \"{}\"", field->name(), shown));
    return error;
  }
  return Error(ErrorCode::kConfig, fmt::format("unknown value '{}' for {}", shown, field->name()))
      .advise(suggestion(value, enum_names(field->enum_type()), 50));
}

class Walk {
 public:
  explicit Walk(const Outline& outline) : outline_(outline) {}

  void message(const std::vector<OutlineField>& fields, const pb::Descriptor* type,
               const std::string& name, size_t at) {
    std::map<std::string, size_t> seen;
    for (const OutlineField& field : fields) {
      const FieldDescriptor* known = type->FindFieldByName(field.name);
      if (!known) {
        errors.push_back(unknown_field(field.name, type, name).at(outline_.at(field.at)));
        continue;
      }
      const auto [first, fresh] = seen.emplace(field.name, field.at);
      if (!fresh && !known->is_repeated()) twice(field, first->second, name);
      this->field(field, known);
    }
    for (int i = 0; i < type->field_count(); ++i) {
      const FieldDescriptor* needed = type->field(i);
      if (needed->is_required() && !seen.count(needed->name()))
        add(at, fmt::format("{} needs {}, which is missing", name, needed->name()));
    }
  }

  std::vector<Error> errors;

 private:
  Error& add(size_t at, std::string message) {
    errors.push_back(Error(ErrorCode::kConfig, std::move(message)).at(outline_.at(at)));
    return errors.back();
  }

  void twice(const OutlineField& field, size_t first, const std::string& name) {
    add(field.at, fmt::format("'{}' is given twice in {}", field.name, name))
        .note("first given here", outline_.at(first))
        .advise("keep one of the two");
  }

  void field(const OutlineField& field, const FieldDescriptor* known) {
    if (field.list && !known->is_repeated())
      add(field.at, fmt::format("{} takes one value, not a list", field.name));
    for (const OutlineValue& value : field.values) {
      if (value.block != (known->message_type() != nullptr)) {
        add(value.begin, fmt::format("{} expects {}, not {}", field.name, expected(known),
                                     value.block ? "a block" : shortened(outline_.text(value))));
      } else if (value.block) {
        message(value.fields, known->message_type(), field.name, field.at);
      } else if (!accepts(known, std::string(outline_.text(value)))) {
        errors.push_back(
            bad_value(known, outline_.text(value), value.quoted).at(outline_.at(value.begin)));
      }
    }
  }

  const Outline& outline_;
};

// The blocks of a message that have a field of this name: where it was probably meant to be.
std::vector<std::string> blocks_with(const std::string& name, const pb::Descriptor* type) {
  std::vector<std::string> out;
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor* block = type->field(i);
    if (block->message_type() && block->message_type()->FindFieldByName(name))
      out.push_back(block->name());
  }
  return out;
}

std::string hint_for(const std::string& name, const pb::Descriptor* type) {
  const auto* net = caffe::NetParameter::descriptor();
  const auto* solver = caffe::SolverParameter::descriptor();
  const auto* layer = caffe::LayerParameter::descriptor();
  const std::vector<std::string> own = field_names(type);
  if ((type == net || type == solver) && (type == net ? solver : net)->FindFieldByName(name))
    return fmt::format("'{}' belongs to a {}", name, file_kind(type == net ? solver : net));
  std::vector<std::string> blocks = blocks_with(name, type);
  if (blocks.empty() && type != solver && nearest_name(name, own).empty()) {
    if (layer->FindFieldByName(name))
      return fmt::format("'{}' is a field of the layer itself", name);
    blocks = blocks_with(name, layer);
  }
  constexpr size_t kFew = 6;
  if (!blocks.empty() && blocks.size() <= kFew)
    return fmt::format("'{}' belongs inside {}", name, join(blocks, " or "));
  return suggestion(name, own);
}

}  // namespace

std::string file_kind(const pb::Descriptor* type) {
  if (type == caffe::NetParameter::descriptor()) return "net definition";
  if (type == caffe::SolverParameter::descriptor()) return "solver definition";
  return type->name();
}

std::vector<std::string> field_names(const pb::Descriptor* type) {
  std::vector<std::string> out;
  for (int i = 0; i < type->field_count(); ++i) out.push_back(type->field(i)->name());
  return out;
}

Error unknown_field(const std::string& name, const pb::Descriptor* type, const std::string& where) {
  return Error(ErrorCode::kConfig, fmt::format("unknown field '{}' in {}", name, where))
      .advise(hint_for(name, type));
}

std::vector<Error> diagnose(const Outline& outline, const pb::Descriptor* type) {
  Walk walk(outline);
  walk.message(outline.fields, type, "the " + file_kind(type), 0);
  return std::move(walk.errors);
}

}  // namespace crema::config
