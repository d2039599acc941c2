// What the program knows about itself: made from the sources when it is built (docs.cmake).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace crema::cli {

// The head comment of a source file that registers a layer type or data source.
struct SourceDoc {
  const char* file;     // "layers/concat.cpp"
  const char* comment;  // with its slashes
  const char* params;   // words of the file that end in _param, separated by blanks
};
extern const SourceDoc kSourceDocs[];
extern const size_t kSourceDocCount;

// A FileDescriptorSet of proto/net.proto and all it imports, with the comments.
extern const unsigned char kDescriptors[];
extern const size_t kDescriptorBytes;

// A field of a message, as `crema layers TYPE` lists it.
struct FieldDoc {
  std::string name;
  std::string type;     // "uint32", "repeated float", "FillerParameter", "bool = true"
  std::string comment;  // one line
};
struct MessageDoc {
  std::string name, comment;
  std::vector<FieldDoc> fields;
  std::vector<std::string> inner;  // messages that its fields hold
};

// The message called `name` ("ConvolutionParameter"); LogicError if there is none.
MessageDoc message_doc(const std::string& name);
// The message type of a field of LayerParameter; "" if there is no such field, or it is no message.
std::string type_of_layer_field(const std::string& field);
// The names of LayerParameter's fields that hold the settings of layer types.
std::vector<std::string> layer_setting_fields();

}  // namespace crema::cli
