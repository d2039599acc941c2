#include "house/architecture.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <regex>
#include <set>

#include "base/files.hpp"
#include "house/room_table.hpp"

namespace crema::house {

namespace {

namespace fs = std::filesystem;
using Complaints = std::vector<std::string>;

// A library's headers: by how their names begin, the word that lists the library in a row, and the
// only room that may have them ("" for any that lists the library).
struct Library {
  const char* header;
  const char* listed_as;
  const char* only_room;
};
constexpr Library kLibraries[] = {
    {"cblas", "${OPENBLAS_LIBRARY}", "engines/openblas"},
    {"openblas", "${OPENBLAS_LIBRARY}", "engines/openblas"},
    {"dnnl", "${ONEDNN_LIBRARY}", "engines/onednn"},
    {"oneapi/dnnl/", "${ONEDNN_LIBRARY}", "engines/onednn"},
    {"lmdb.h", "${LMDB_LIBRARY}", ""},
    {"leveldb/", "${LEVELDB_LIBRARY}", "data"},
    {"opencv2/", "${OPENCV_CODECS_LIBRARY}", "images"},
    {"hdf5", "HDF5::HDF5", ""},
    {"zlib.h", "ZLIB::ZLIB", ""},
    {"glog/", "glog::glog", ""},
    {"gflags/", "gflags", ""},
    {"nlohmann/", "nlohmann_json::nlohmann_json", ""},
};

struct Include {
  std::string target;
  bool quoted = false;
  int line = 0;
};

std::vector<Include> includes_of(const std::string& text) {
  static const std::regex form(R"re(^\s*#\s*include\s*(["<])([^">]+)[">].*)re");
  std::vector<Include> out;
  int number = 0;
  for (const std::string& line : lines_of(text)) {
    ++number;
    std::smatch match;
    if (std::regex_match(line, match, form)) out.push_back({match[2], match[1] == "\"", number});
  }
  return out;
}

bool has(const std::vector<std::string>& list, const std::string& word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

class Checker {
 public:
  explicit Checker(std::string folder)
      : folder_(std::move(folder)),
        rooms_(parse_room_table(read_file(folder_ + "/CMakeLists.txt", ErrorCode::kInternal))) {}

  Complaints check() {
    check_table();
    check_cycles();
    check_folders();
    for (const std::string& file : files_under(folder_, {".cpp", ".hpp", ".h", ".cc"}))
      check_file(file);
    return complaints_;
  }

 private:
  template <class... Args>
  void complain(const std::string& where, fmt::format_string<Args...> form, Args&&... args) {
    complaints_.push_back(where + ": " + fmt::format(form, std::forward<Args>(args)...));
  }

  const Room* find(const std::string& name) const {
    for (const Room& room : rooms_)
      if (room.name == name) return &room;
    return nullptr;
  }

  void check_table() {
    if (rooms_.empty()) complain("CMakeLists.txt", "no crema_room() in it");
    std::set<std::string> above{"proto"};
    for (const Room& room : rooms_) {
      const std::string where = fmt::format("CMakeLists.txt:{}", room.line);
      for (const std::string& other : room.may_include) {
        if (other != "proto" && find(other) == nullptr)
          complain(where, "{} lists '{}', which is no room", room.name, other);
        else if (!above.contains(other))
          complain(where, "{} lists {}, which is not above it", room.name, other);
        if (other.starts_with("engines/") && room.name != "cli")
          complain(where, "{} lists {}: only cli knows the engines", room.name, other);
      }
      if (!above.insert(room.name).second) complain(where, "{} is there twice", room.name);
      if (files_under(folder_ + "/" + room.name, {".cpp", ".hpp"}).empty())
        complain(where, "{} has no sources", room.name);
    }
  }

  void check_cycles() {
    std::set<std::string> done;
    std::vector<std::string> path;
    const std::function<void(const Room&)> visit = [&](const Room& room) {
      if (const auto at = std::find(path.begin(), path.end(), room.name); at != path.end()) {
        complain(fmt::format("CMakeLists.txt:{}", room.line), "cycle: {} -> {}",
                 fmt::join(at, path.end(), " -> "), room.name);
        return;
      }
      if (!done.insert(room.name).second) return;
      path.push_back(room.name);
      for (const std::string& other : room.may_include)
        if (const Room* next = find(other)) visit(*next);
      path.pop_back();
    };
    for (const Room& room : rooms_) visit(room);
  }

  // Folders without any C++ in them too.
  void check_folders() {
    std::set<std::string> strangers;
    for (const auto& entry : fs::recursive_directory_iterator(folder_)) {
      const std::string name = fs::relative(entry.path(), folder_).generic_string();
      const auto holds_room = [&](const Room& room) { return room.name.starts_with(name + "/"); };
      if (entry.is_directory() && room_of(rooms_, name + "/") == nullptr &&
          std::none_of(rooms_.begin(), rooms_.end(), holds_room))
        strangers.insert(name);
    }
    for (const std::string& name : strangers) complain(name, "a folder that is in no room");
  }

  void check_file(const std::string& file) {
    const std::string text = read_file(folder_ + "/" + file, ErrorCode::kInternal);
    const auto lines = std::count(text.begin(), text.end(), '\n');
    if (lines > kMostLines) complain(file, "{} lines; at most {}", lines, kMostLines);
    const Room* room = room_of(rooms_, file);
    Room main{.name = "main.cpp", .may_include = {"cli"}, .libraries = {}, .line = 0};
    if (file == "main.cpp") room = &main;
    if (room == nullptr) return complain(file, "a source file outside the rooms");
    for (const Include& include : includes_of(text)) check_include(file, *room, include);
  }

  void check_include(const std::string& file, const Room& room, const Include& include) {
    const std::string where = fmt::format("{}:{}", file, include.line);
    const std::string& target = include.target;
    if (check_library(where, room, target)) return;
    const Room* other = room_of(rooms_, target);
    const bool proto = target.starts_with("proto/") || target.starts_with("google/protobuf/");
    if (proto) {
      if (!room.lists("proto"))
        complain(where, "{} may not include '{}': its row does not list proto", room.name, target);
    } else if (other != nullptr && other->name != room.name && !room.lists(other->name)) {
      complain(where, "{} may not include '{}': its row does not list {}", room.name, target,
               other->name);
    } else if (other != nullptr ? !file_exists(folder_ + "/" + target) : include.quoted) {
      complain(where, "'{}' is no file of a room (paths begin at src/)", target);
    } else if (other != nullptr && !include.quoted) {
      complain(where, "'{}' is ours: write it in quotes", target);
    }
  }

  // True if the header belongs to a library, whether or not it may be included.
  bool check_library(const std::string& where, const Room& room, const std::string& header) {
    for (const Library& library : kLibraries) {
      if (!header.starts_with(library.header)) continue;
      const std::string only = library.only_room;
      if (!only.empty() && room.name != only)
        complain(where, "only {} may include '{}'", only, header);
      else if (!reaches(room, library.listed_as))
        complain(where, "{} may not include '{}': no row that it reaches lists {}", room.name,
                 header, library.listed_as);
      return true;
    }
    return false;
  }

  bool reaches(const Room& room, const std::string& library) const {
    if (has(room.libraries, library)) return true;
    return std::any_of(room.may_include.begin(), room.may_include.end(), [&](const auto& name) {
      const Room* other = find(name);
      return other != nullptr && has(other->libraries, library);
    });
  }

  std::string folder_;
  std::vector<Room> rooms_;
  Complaints complaints_;
};

}  // namespace

std::vector<std::string> check_architecture(const std::string& source_folder) {
  return Checker(source_folder).check();
}

}  // namespace crema::house
