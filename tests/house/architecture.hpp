// The rule of the house: who may include whom. Read from the crema_room() lines of
// src/CMakeLists.txt and held against every #include.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace crema::house {

using RoomTable = std::map<std::string, std::set<std::string>>;  // room -> rooms it may include

RoomTable read_rooms(const std::filesystem::path& src);

// Everything under src/ that breaks the rule, one line each; empty if the house stands.
std::vector<std::string> violations(const std::filesystem::path& src);

}  // namespace crema::house
