#pragma once

#include <string>
#include <vector>

namespace crema::house {

inline constexpr int kMostLines = 400;

// Holds a source tree against the table in its CMakeLists.txt. One sentence per violation, the
// table's first, then those of each file; empty for a house in order.
//   table      rows name rooms above them (so the rooms form a DAG), once each, with sources;
//              only cli lists rooms under engines/
//   includes   "room/file" of the own or a listed room, and the file exists; "proto/..." and
//              protobuf's headers where the row lists proto; main.cpp includes cli alone;
//              a library's header only where it or a room it may include lists that library,
//              BLAS's and oneDNN's only in their own engine
//   files      lie in a room; at most kMostLines lines
std::vector<std::string> check_architecture(const std::string& source_folder);

}  // namespace crema::house
