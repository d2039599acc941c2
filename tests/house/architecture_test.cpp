#include "architecture.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <regex>
#include <sstream>

namespace crema::house {

namespace fs = std::filesystem;

namespace {

constexpr int kMostLines = 400;

std::string read(const fs::path& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::vector<std::string> words(const std::string& text) {
  std::istringstream in(text);
  return {std::istream_iterator<std::string>(in), {}};
}

// "engines/reference/relu.cpp" -> "engines/reference"; "main.cpp" -> "".
std::string room_of(const std::string& path, const RoomTable& rooms) {
  std::string best;
  for (const auto& [room, allowed] : rooms)
    if (path.starts_with(room + "/") && room.size() > best.size()) best = room;
  return best;
}

void check_file(const fs::path& src, const fs::path& file, const RoomTable& rooms,
                std::vector<std::string>& out) {
  const std::string name = fs::relative(file, src).generic_string();
  const std::string room = name == "main.cpp" ? "main" : room_of(name, rooms);
  if (room.empty()) {
    out.push_back(name + " is in no room");
    return;
  }
  const std::string text = read(file);
  const auto lines = std::count(text.begin(), text.end(), '\n');
  if (lines > kMostLines) out.push_back(name + " has " + std::to_string(lines) + " lines");
  static const std::regex include("#include\\s*([<\"])([^>\"]+)[>\"]");
  for (std::sregex_iterator it(text.begin(), text.end(), include), end; it != end; ++it) {
    const std::string target = (*it)[2];
    if (target == "cblas.h" && room != "engines/openblas")
      out.push_back(name + " includes cblas.h");
    if (target.starts_with("dnnl") && room != "engines/onednn")
      out.push_back(name + " includes " + target);
    if ((*it)[1] == "<") continue;
    const std::string other = target.starts_with("proto/") ? "proto" : room_of(target, rooms);
    if (other.empty())
      out.push_back(name + " includes \"" + target + "\", which is in no room");
    else if (other != room && !(room == "main" ? other == "cli" : rooms.at(room).contains(other)))
      out.push_back(name + " includes " + other + " (" + target + ")");
  }
}

void check_acyclic(const RoomTable& rooms, std::vector<std::string>& out) {
  std::set<std::string> done, open;
  const std::function<void(const std::string&)> visit = [&](const std::string& room) {
    if (done.contains(room) || !rooms.contains(room)) return;
    if (!open.insert(room).second) {
      out.push_back("the rooms go in a circle through " + room);
      return;
    }
    for (const std::string& below : rooms.at(room)) visit(below);
    open.erase(room);
    done.insert(room);
  };
  for (const auto& [room, below] : rooms) visit(room);
}

}  // namespace

RoomTable read_rooms(const fs::path& src) {
  const std::string text = read(src / "CMakeLists.txt");
  RoomTable rooms;
  static const std::regex call("\\n\\s*crema_room\\(([^)]*)\\)");
  for (std::sregex_iterator it(text.begin(), text.end(), call), end; it != end; ++it) {
    std::set<std::string>* allowed = nullptr;
    bool listing = false;
    for (const std::string& word : words((*it)[1])) {
      if (allowed == nullptr)
        allowed = &rooms[word];
      else if (word == "MAY_INCLUDE" || word == "LIBRARIES")
        listing = word == "MAY_INCLUDE";
      else if (listing)
        allowed->insert(word);
    }
  }
  // The command line may include every engine of the build; its row names them by a variable.
  for (auto& [room, allowed] : rooms)
    if (allowed.erase("${engine_rooms}") > 0)
      for (const auto& [other, below] : rooms)
        if (other.starts_with("engines/")) allowed.insert(other);
  return rooms;
}

std::vector<std::string> violations(const fs::path& src) {
  const RoomTable rooms = read_rooms(src);
  std::vector<std::string> out;
  check_acyclic(rooms, out);
  for (const auto& [room, allowed] : rooms)
    for (const std::string& other : allowed)
      if (other != "proto" && !rooms.contains(other))
        out.push_back("row " + room + " names an unknown room: " + other);
  for (const auto& entry : fs::recursive_directory_iterator(src))
    if (entry.path().extension() == ".cpp" || entry.path().extension() == ".hpp")
      check_file(src, entry.path(), rooms, out);
  return out;
}

namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

const fs::path kFixtures = CREMA_TEST_DIR "/house/fixtures";

TEST(architecture, every_include_is_allowed_by_the_room_table) {
  EXPECT_THAT(violations(CREMA_SOURCE_DIR "/src"), ::testing::IsEmpty());
  EXPECT_GE(read_rooms(CREMA_SOURCE_DIR "/src").size(), 16u);
}

TEST(architecture, a_forbidden_include_is_found) {
  const auto found = violations(kFixtures / "forbidden");
  EXPECT_EQ(found.size(), 3u);
  EXPECT_THAT(found, Contains(HasSubstr("lower/low.cpp includes upper (upper/up.hpp)")));
  EXPECT_THAT(found, Contains(HasSubstr("lower/low.cpp includes cblas.h")));
  EXPECT_THAT(found, Contains(HasSubstr("homeless/x.cpp is in no room")));
}

TEST(architecture, a_circle_of_rooms_is_found) {
  EXPECT_THAT(violations(kFixtures / "circle"), Contains(HasSubstr("go in a circle")));
}

TEST(architecture, what_is_allowed_is_not_reported) {
  EXPECT_THAT(violations(kFixtures / "sound"), ::testing::IsEmpty());
}

}  // namespace
}  // namespace crema::house
