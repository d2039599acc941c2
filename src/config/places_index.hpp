// The table behind Places, filled by the parser, the legacy upgrade and --set. Room-internal.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "config/places.hpp"

namespace crema::config {

// Paths are canonical: "[0]" is left out, so that a list's first element and the list are one name.
std::string canonical_path(std::string_view path);
std::string element_path(std::string_view list, int index);  // ("layer", 3) -> "layer[3]"
std::string parent_path(std::string_view path);              // "" for a name without dots
std::string join_paths(std::string_view outer, std::string_view inner);

// One step of the legacy upgrade: new path -> path before the step. All entries hold at once; a
// path follows the entry of itself or of its nearest ancestor.
using Renaming = std::unordered_map<std::string, std::string>;

// The path in the text that became `path` after the given steps.
std::string original_path(std::string_view path, const std::vector<Renaming>& steps);

class Places::Index {
 public:
  Location find(std::string_view path) const;
  // Forgets the field at the path and everything below it.
  void erase(std::string_view path);
  // The table of the message at `prefix`, as if it were a file of its own.
  Index subtree(std::string_view prefix) const;

  Location root;  // the file, or the block that holds everything
  std::unordered_map<std::string, Location> entries;
  std::vector<Renaming> steps;
};

}  // namespace crema::config
