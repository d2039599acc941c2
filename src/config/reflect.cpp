#include "config/reflect.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

namespace crema::config {

namespace pb = google::protobuf;
using pb::FieldDescriptor;

namespace {

// Reads, and writes, one value of a kind that protobuf's reflection names `Kind`.
#define CREMA_READ(Kind) \
  (field->is_repeated() ? in.GetRepeated##Kind(from, field, index) : in.Get##Kind(from, field))
#define CREMA_WRITE(Kind, value) \
  (target->is_repeated() ? out.Add##Kind(&to, target, value) : out.Set##Kind(&to, target, value))

int64_t read_integer(const pb::Message& from, const FieldDescriptor* field, int index) {
  const pb::Reflection& in = *from.GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return CREMA_READ(Int32);
    case FieldDescriptor::CPPTYPE_UINT32:
      return CREMA_READ(UInt32);
    case FieldDescriptor::CPPTYPE_INT64:
      return CREMA_READ(Int64);
    case FieldDescriptor::CPPTYPE_ENUM:
      return CREMA_READ(EnumValue);
    default:
      CREMA_CHECK(false, "not an integer: " + field->full_name());
  }
  return 0;
}

void write_integer(int64_t value, pb::Message& to, const FieldDescriptor* target) {
  const pb::Reflection& out = *to.GetReflection();
  switch (target->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return CREMA_WRITE(Int32, static_cast<int32_t>(value));
    case FieldDescriptor::CPPTYPE_UINT32:
      return CREMA_WRITE(UInt32, static_cast<uint32_t>(value));
    case FieldDescriptor::CPPTYPE_INT64:
      return CREMA_WRITE(Int64, value);
    case FieldDescriptor::CPPTYPE_ENUM:
      return CREMA_WRITE(EnumValue, static_cast<int>(value));
    default:
      CREMA_CHECK(false, "not an integer: " + target->full_name());
  }
}

}  // namespace

void copy_value(const pb::Message& from, const FieldDescriptor* field, int index, pb::Message& to,
                const FieldDescriptor* target) {
  const pb::Reflection& in = *from.GetReflection();
  const pb::Reflection& out = *to.GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_FLOAT:
      return CREMA_WRITE(Float, CREMA_READ(Float));
    case FieldDescriptor::CPPTYPE_BOOL:
      return CREMA_WRITE(Bool, CREMA_READ(Bool));
    case FieldDescriptor::CPPTYPE_STRING:
      return CREMA_WRITE(String, CREMA_READ(String));
    case FieldDescriptor::CPPTYPE_MESSAGE: {
      const pb::Message& value = CREMA_READ(Message);
      pb::Message* copy =
          target->is_repeated() ? out.AddMessage(&to, target) : out.MutableMessage(&to, target);
      return copy->CopyFrom(value);
    }
    default:
      write_integer(read_integer(from, field, index), to, target);
  }
}

#undef CREMA_READ
#undef CREMA_WRITE

int count_values(const pb::Message& message, const FieldDescriptor* field) {
  const pb::Reflection& reflection = *message.GetReflection();
  if (field->is_repeated()) return reflection.FieldSize(message, field);
  return reflection.HasField(message, field) ? 1 : 0;
}

void copy_field(const pb::Message& from, const FieldDescriptor* field, pb::Message& to,
                const FieldDescriptor* target) {
  for (int i = 0; i < count_values(from, field); ++i) copy_value(from, field, i, to, target);
}

Slot slot(pb::Message& root, std::string_view path) {
  Slot out{&root, nullptr};
  for (const std::string& name : split(path, '.')) {
    if (out.field)
      out.message = out.message->GetReflection()->MutableMessage(out.message, out.field);
    out.field = out.message->GetDescriptor()->FindFieldByName(name);
    CREMA_CHECK(out.field, "no field '" + name + "' in " + out.message->GetTypeName());
  }
  return out;
}

}  // namespace crema::config
