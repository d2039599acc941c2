// From a parsed NetParameter to a NetConfig. Room-internal.
#pragma once

#include "config/config.hpp"
#include "config/places_index.hpp"

namespace crema::config {

// Upgrades and splits the net; adds the mistakes that need neither shapes nor a state.
NetConfig make_net(std::string file, caffe::NetParameter param, Places::Index index,
                   Diagnostics& diagnostics);

// The whole definition again, layers in place.
caffe::NetParameter whole_net(const NetConfig& net);

// "1 bottom", "2 bottoms".
std::string counted(int count, const std::string& noun);

std::string print_text(const google::protobuf::Message& message);

// Adds an error unless the same one is there (nets read twice repeat theirs).
void add_once(Diagnostics& diagnostics, const Error& error);
// diagnostics.guard() with add_once.
template <class Fn>
bool guard_once(Diagnostics& diagnostics, Fn&& fn) {
  Diagnostics own;
  if (own.guard(fn)) return true;
  for (const Error& error : own.errors()) add_once(diagnostics, error);
  return false;
}

}  // namespace crema::config
