#include "cli/docs.hpp"

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include "base/error.hpp"
#include "base/text.hpp"

namespace crema::cli {

namespace {

namespace pb = google::protobuf;

// The definitions with their comments, which the generated classes do not have.
const pb::DescriptorPool& pool() {
  static const pb::DescriptorPool* const filled = [] {
    auto* out = new pb::DescriptorPool;  // lives as long as the program
    pb::FileDescriptorSet files;
    CREMA_CHECK(files.ParseFromArray(kDescriptors, static_cast<int>(kDescriptorBytes)),
                "the embedded definitions are damaged");
    for (const pb::FileDescriptorProto& file : files.file())
      CREMA_CHECK(out->BuildFile(file) != nullptr, "cannot use " + file.name());
    return out;
  }();
  return *filled;
}

const std::string kPackage = "caffe.";

// "BlobShape", "Schedule.Point".
std::string name_of(const pb::Descriptor& type) {
  return type.full_name().substr(kPackage.size());
}

const pb::Descriptor& find_message(const std::string& name) {
  const pb::Descriptor* found = pool().FindMessageTypeByName(kPackage + name);
  CREMA_CHECK(found != nullptr, "no message " + name);
  return *found;
}

// The comment above, and that behind, as one line.
template <class Thing>
std::string comment_of(const Thing& thing) {
  pb::SourceLocation at;
  if (!thing.GetSourceLocation(&at)) return {};
  std::string out;
  for (const std::string& part : {at.leading_comments, at.trailing_comments})
    for (const std::string& line : split(part, '\n')) {
      const size_t begin = line.find_first_not_of(' ');
      if (begin == std::string::npos) continue;
      if (!out.empty()) out += ' ';
      out.append(line, begin, line.find_last_not_of(' ') + 1 - begin);
    }
  return out;
}

std::string default_of(const pb::FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case pb::FieldDescriptor::CPPTYPE_INT32:
      return fmt::format("{}", field.default_value_int32());
    case pb::FieldDescriptor::CPPTYPE_INT64:
      return fmt::format("{}", field.default_value_int64());
    case pb::FieldDescriptor::CPPTYPE_UINT32:
      return fmt::format("{}", field.default_value_uint32());
    case pb::FieldDescriptor::CPPTYPE_UINT64:
      return fmt::format("{}", field.default_value_uint64());
    case pb::FieldDescriptor::CPPTYPE_DOUBLE:
      return fmt::format("{}", field.default_value_double());
    case pb::FieldDescriptor::CPPTYPE_FLOAT:
      return fmt::format("{}", field.default_value_float());
    case pb::FieldDescriptor::CPPTYPE_BOOL:
      return field.default_value_bool() ? "true" : "false";
    case pb::FieldDescriptor::CPPTYPE_ENUM:
      return field.default_value_enum()->name();
    case pb::FieldDescriptor::CPPTYPE_STRING:
      return fmt::format("\"{}\"", field.default_value_string());
    case pb::FieldDescriptor::CPPTYPE_MESSAGE:
      break;
  }
  return {};
}

std::string type_of(const pb::FieldDescriptor& field) {
  std::string out = field.is_repeated() ? "repeated " : field.is_required() ? "required " : "";
  out += field.message_type() ? name_of(*field.message_type())
         : field.enum_type()  ? field.enum_type()->name()
                              : field.type_name();
  if (field.has_default_value()) out += " = " + default_of(field);
  return out;
}

// What an enum's values mean: "MAX (the largest), AVE (the mean)".
std::string values_of(const pb::EnumDescriptor& type) {
  std::vector<std::string> out;
  for (int i = 0; i < type.value_count(); ++i) {
    const std::string comment = comment_of(*type.value(i));
    out.push_back(type.value(i)->name());
    if (!comment.empty()) out.back() += fmt::format(" ({})", comment);
  }
  return join(out, ", ");
}

FieldDoc field_doc(const pb::FieldDescriptor& field) {
  FieldDoc out{field.name(), type_of(field), comment_of(field)};
  if (!field.enum_type()) return out;
  if (out.comment.ends_with('.')) out.comment.pop_back();
  if (!out.comment.empty()) out.comment += ": ";
  out.comment += values_of(*field.enum_type());
  return out;
}

}  // namespace

MessageDoc message_doc(const std::string& name) {
  const pb::Descriptor& type = find_message(name);
  MessageDoc out{name, comment_of(type), {}, {}};
  for (int i = 0; i < type.field_count(); ++i) {
    out.fields.push_back(field_doc(*type.field(i)));
    if (const pb::Descriptor* inner = type.field(i)->message_type())
      out.inner.push_back(name_of(*inner));
  }
  return out;
}

std::string type_of_layer_field(const std::string& field) {
  const pb::FieldDescriptor* found = find_message("LayerParameter").FindFieldByName(field);
  return found && found->message_type() ? name_of(*found->message_type()) : std::string();
}

std::vector<std::string> layer_setting_fields() {
  std::vector<std::string> out;
  const pb::Descriptor& layer = find_message("LayerParameter");
  for (int i = 0; i < layer.field_count(); ++i)
    if (layer.field(i)->message_type() && layer.field(i)->name().ends_with("_param"))
      out.push_back(layer.field(i)->name());
  return out;
}

}  // namespace crema::cli
