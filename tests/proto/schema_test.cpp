// The schema in proto/ against the table of BVLC Caffe's wire format (wire_format.tsv), both ways:
// every row of the table is in the schema, and what the schema has beyond the table is crema's own,
// that is, a message that BVLC lacks or a number from 1000 on.

#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "proto/blob.pb.h"
#include "proto/layers.pb.h"
#include "proto/legacy.pb.h"
#include "proto/net.pb.h"
#include "proto/snapshot.pb.h"
#include "proto/solver.pb.h"
#include "proto/state.pb.h"

namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;

constexpr int kFirstOwnNumber = 1000;
const std::string kPackage = "caffe.";

struct Row {
  int line = 0;
  std::string kind, owner, label, type, name, default_value, flags;
  int number = 0;
};

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == separator) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

const std::vector<Row>& table() {
  static const std::vector<Row> rows = [] {
    std::vector<Row> result;
    std::ifstream in(CREMA_TEST_DIR "/proto/wire_format.tsv");
    std::string text;
    for (int line = 1; std::getline(in, text); ++line) {
      if (line == 1) {
        EXPECT_EQ(text, "kind\towner\tnumber\tlabel\ttype\tname\tdefault\tflags");
        continue;
      }
      const std::vector<std::string> cell = split(text, '\t');
      if (cell.size() != 8) {
        ADD_FAILURE() << "line " << line << ": " << cell.size() << " cells";
        continue;
      }
      Row row;
      row.line = line;
      row.kind = cell[0];
      row.owner = cell[1];
      row.number = std::atoi(cell[2].c_str());
      row.label = cell[3];
      row.type = cell[4];
      row.name = cell[5];
      row.default_value = cell[6];
      row.flags = cell[7];
      result.push_back(row);
    }
    return result;
  }();
  return rows;
}

// All files of the schema; naming a message of each makes the linker keep it.
std::vector<const FileDescriptor*> schema_files() {
  return {
      caffe::BlobProto::descriptor()->file(),       caffe::NetState::descriptor()->file(),
      caffe::FillerParameter::descriptor()->file(), caffe::V1LayerParameter::descriptor()->file(),
      caffe::NetParameter::descriptor()->file(),    caffe::SolverParameter::descriptor()->file(),
      caffe::SolverState::descriptor()->file(),
  };
}

template <typename D>
std::string short_name(const D* descriptor) {
  const std::string name(descriptor->full_name());
  return name.rfind(kPackage, 0) == 0 ? name.substr(kPackage.size()) : "(other package) " + name;
}

void collect(const Descriptor* message, std::vector<const Descriptor*>* messages,
             std::vector<const EnumDescriptor*>* enums) {
  messages->push_back(message);
  for (int i = 0; i < message->enum_type_count(); ++i) enums->push_back(message->enum_type(i));
  for (int i = 0; i < message->nested_type_count(); ++i) {
    collect(message->nested_type(i), messages, enums);
  }
}

void collect_all(std::vector<const Descriptor*>* messages,
                 std::vector<const EnumDescriptor*>* enums) {
  for (const FileDescriptor* file : schema_files()) {
    for (int i = 0; i < file->enum_type_count(); ++i) enums->push_back(file->enum_type(i));
    for (int i = 0; i < file->message_type_count(); ++i) {
      collect(file->message_type(i), messages, enums);
    }
  }
}

std::string label_of(const FieldDescriptor* field) {
  if (field->is_repeated()) return "repeated";
  return field->is_required() ? "required" : "optional";
}

std::string type_of(const FieldDescriptor* field) {
  switch (field->type()) {
    case FieldDescriptor::TYPE_MESSAGE:
      return "message:" + short_name(field->message_type());
    case FieldDescriptor::TYPE_ENUM:
      return "enum:" + short_name(field->enum_type());
    default:
      return field->type_name();
  }
}

// The explicit default equals the text in the table: strings stand in quotes, an empty cell means
// that no default is written in the schema.
void expect_default(const FieldDescriptor* field, const std::string& text) {
  ASSERT_EQ(field->has_default_value(), !text.empty());
  if (text.empty()) return;
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      EXPECT_EQ("\"" + std::string(field->default_value_string()) + "\"", text);
      break;
    case FieldDescriptor::CPPTYPE_FLOAT:
      EXPECT_EQ(field->default_value_float(), std::strtof(text.c_str(), nullptr));
      break;
    case FieldDescriptor::CPPTYPE_DOUBLE:
      EXPECT_EQ(field->default_value_double(), std::strtod(text.c_str(), nullptr));
      break;
    case FieldDescriptor::CPPTYPE_BOOL:
      EXPECT_EQ(std::string(field->default_value_bool() ? "true" : "false"), text);
      break;
    case FieldDescriptor::CPPTYPE_ENUM:
      EXPECT_EQ(std::string(field->default_value_enum()->name()), text);
      break;
    case FieldDescriptor::CPPTYPE_INT32:
      EXPECT_EQ(std::to_string(field->default_value_int32()), text);
      break;
    case FieldDescriptor::CPPTYPE_INT64:
      EXPECT_EQ(std::to_string(field->default_value_int64()), text);
      break;
    case FieldDescriptor::CPPTYPE_UINT32:
      EXPECT_EQ(std::to_string(field->default_value_uint32()), text);
      break;
    case FieldDescriptor::CPPTYPE_UINT64:
      EXPECT_EQ(std::to_string(field->default_value_uint64()), text);
      break;
    default:
      ADD_FAILURE() << "a message with a default";
  }
}

TEST(schema, table_is_read) {
  int fields = 0;
  int values = 0;
  for (const Row& row : table()) {
    ASSERT_TRUE(row.kind == "field" || row.kind == "enum_value") << "line " << row.line;
    ++(row.kind == "field" ? fields : values);
    for (const std::string& flag : split(row.flags, ';')) {
      EXPECT_TRUE(flag.empty() || flag == "packed=true" || flag == "doc-deprecated")
          << "line " << row.line << ": flag " << flag;
    }
  }
  EXPECT_EQ(fields, 423);
  EXPECT_EQ(values, 111);
}

TEST(schema, has_every_row_of_the_table) {
  ASSERT_EQ(schema_files().size(), 7u);  // links them all
  const DescriptorPool* pool = DescriptorPool::generated_pool();
  for (const Row& row : table()) {
    SCOPED_TRACE("line " + std::to_string(row.line) + ": " + row.owner + "." + row.name);
    if (row.kind == "field") {
      const Descriptor* message = pool->FindMessageTypeByName(kPackage + row.owner);
      if (message == nullptr) {
        ADD_FAILURE() << "no such message";
        continue;
      }
      const FieldDescriptor* field = message->FindFieldByName(row.name);
      if (field == nullptr) {
        ADD_FAILURE() << "no such field";
        continue;
      }
      EXPECT_EQ(field->number(), row.number);
      EXPECT_EQ(label_of(field), row.label);
      EXPECT_EQ(type_of(field), row.type);
      EXPECT_EQ(field->is_packed(), row.flags.find("packed=true") != std::string::npos);
      expect_default(field, row.default_value);
    } else {
      const EnumDescriptor* type = pool->FindEnumTypeByName(kPackage + row.owner);
      if (type == nullptr) {
        ADD_FAILURE() << "no such enum";
        continue;
      }
      const EnumValueDescriptor* value = type->FindValueByName(row.name);
      if (value == nullptr) {
        ADD_FAILURE() << "no such value";
        continue;
      }
      EXPECT_EQ(value->number(), row.number);
    }
  }
}

TEST(schema, has_nothing_else_below_1000) {
  std::map<std::string, std::set<std::pair<std::string, int>>> known;
  for (const Row& row : table()) known[row.owner].emplace(row.name, row.number);

  std::vector<const Descriptor*> messages;
  std::vector<const EnumDescriptor*> enums;
  collect_all(&messages, &enums);
  std::set<std::string> seen;

  for (const Descriptor* message : messages) {
    const std::string owner = short_name(message);
    seen.insert(owner);
    if (known.count(owner) == 0) continue;  // crema's own
    for (int i = 0; i < message->field_count(); ++i) {
      const FieldDescriptor* field = message->field(i);
      const std::string name(field->name());
      if (known[owner].count({name, field->number()}) != 0) continue;
      EXPECT_GE(field->number(), kFirstOwnNumber) << owner << "." << name;
    }
  }
  for (const EnumDescriptor* type : enums) {
    const std::string owner = short_name(type);
    seen.insert(owner);
    if (known.count(owner) == 0) continue;
    for (int i = 0; i < type->value_count(); ++i) {
      const EnumValueDescriptor* value = type->value(i);
      const std::string name(value->name());
      if (known[owner].count({name, value->number()}) != 0) continue;
      EXPECT_GE(value->number(), kFirstOwnNumber) << owner << "." << name;
    }
  }
  // No message or enum of the table lies in a file that this test does not list.
  for (const auto& [owner, names] : known) EXPECT_EQ(seen.count(owner), 1u) << owner;
}

// Messages and enums that BVLC lacks. A new one belongs in this list.
TEST(schema, own_types) {
  std::set<std::string> known;
  for (const Row& row : table()) known.insert(row.owner);
  std::vector<const Descriptor*> messages;
  std::vector<const EnumDescriptor*> enums;
  collect_all(&messages, &enums);
  std::set<std::string> own;
  for (const Descriptor* message : messages) {
    if (known.count(short_name(message)) == 0) own.insert(short_name(message));
  }
  for (const EnumDescriptor* type : enums) {
    if (known.count(short_name(type)) == 0) own.insert(short_name(type));
  }
  const std::set<std::string> expected = {
      "CarriedState",       "Cifar10DataParameter",      "FollowerState",
      "GlyphsParameter",    "GlyphsParameter.Alphabet",  "GradientScaleParameter",
      "MnistDataParameter", "SolverParameter.Precision", "SolverParameter.Recompute"};
  EXPECT_EQ(own, expected);
}

}  // namespace
