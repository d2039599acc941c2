// The room table as src/CMakeLists.txt states it: that file is the rule, this reads it.
#pragma once

#include <string>
#include <vector>

namespace crema::house {

struct Room {
  std::string name;  // "engines/reference": also its folder under src/
  std::vector<std::string> may_include;
  std::vector<std::string> libraries;
  int line = 0;

  bool lists(const std::string& room) const;
};

// The crema_room(NAME MAY_INCLUDE ... LIBRARIES ...) calls of a CMake file, in its order, those in
// every branch of an if() included. Understands set(), list(APPEND) and ${variable}; bodies of
// functions are not calls.
std::vector<Room> parse_room_table(const std::string& cmake);

// The room of a path relative to src/ (the longest name that is a folder of it), or null.
const Room* room_of(const std::vector<Room>& rooms, const std::string& path);

// Files under a folder with one of the endings, as sorted paths relative to it.
std::vector<std::string> files_under(const std::string& folder,
                                     const std::vector<std::string>& endings);

std::vector<std::string> lines_of(const std::string& text);

}  // namespace crema::house
