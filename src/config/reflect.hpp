// Copying fields by name between messages of different types. Room-internal.
#pragma once

#include <google/protobuf/message.h>

#include <string_view>

namespace crema::config {

// Copies one value (element `index` of a repeated field) and appends it if the target is repeated.
// Integers convert to each other, enums by number; other kinds must be equal.
void copy_value(const google::protobuf::Message& from,
                const google::protobuf::FieldDescriptor* field, int index,
                google::protobuf::Message& to, const google::protobuf::FieldDescriptor* target);

// All values of a field that is set.
void copy_field(const google::protobuf::Message& from,
                const google::protobuf::FieldDescriptor* field, google::protobuf::Message& to,
                const google::protobuf::FieldDescriptor* target);

int count_values(const google::protobuf::Message& message,
                 const google::protobuf::FieldDescriptor* field);

// The message that holds the last name of a dotted path, and that field. Blocks on the way are
// created. The names must exist.
struct Slot {
  google::protobuf::Message* message;
  const google::protobuf::FieldDescriptor* field;
};
Slot slot(google::protobuf::Message& root, std::string_view path);

}  // namespace crema::config
