// Why protobuf does not accept a text, in the user's words. Room-internal.
#pragma once

#include <google/protobuf/descriptor.h>

#include <string>
#include <vector>

#include "config/outline.hpp"

namespace crema::config {

// Every mistake in the fields of a message of that type: unknown names, values of the wrong kind,
// fields given twice, missing required ones.
std::vector<Error> diagnose(const Outline& outline, const google::protobuf::Descriptor* type);

// "net definition" and "solver definition" for the file types, "layer" and so on for blocks.
std::string file_kind(const google::protobuf::Descriptor* type);

std::vector<std::string> field_names(const google::protobuf::Descriptor* type);
// The mistake of naming a field that the type does not have; `where` is what the user calls it.
Error unknown_field(const std::string& name, const google::protobuf::Descriptor* type,
                    const std::string& where);

}  // namespace crema::config
