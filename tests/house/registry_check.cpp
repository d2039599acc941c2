#include "house/registry_check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <map>
#include <regex>
#include <set>

#include "base/files.hpp"
#include "house/room_table.hpp"

namespace crema::house {

namespace {

namespace fs = std::filesystem;

bool contains(const std::vector<std::string>& words, const std::vector<std::string>& part) {
  return !part.empty() &&
         std::search(words.begin(), words.end(), part.begin(), part.end()) != words.end();
}

// The names of the tests in one file: of each TEST its suite and its case, and the first string of
// each row of cases.
std::vector<std::vector<std::string>> test_names(const std::string& text) {
  static const std::regex form(
      R"re(\bTEST(?:_[FP])?\(\s*(\w+)\s*,\s*(\w+)\s*\)|\{\s*"(\w+)"\s*,)re");
  std::vector<std::vector<std::string>> out;
  for (std::sregex_iterator it(text.begin(), text.end(), form), end; it != end; ++it)
    for (int group = 1; group <= 3; ++group)
      if ((*it)[group].matched) out.push_back(words_of_name((*it)[group]));
  return out;
}

// CREMA_REGISTER and the macros defined by it.
std::set<std::string> registering_macros(const std::vector<std::string>& texts) {
  static const std::regex form(R"re(#define\s+(\w+)\([^)]*\)((?:[^\n]*\\\n)*[^\n]*))re");
  std::set<std::string> out{"CREMA_REGISTER"};
  for (const std::string& text : texts)
    for (std::sregex_iterator it(text.begin(), text.end(), form), end; it != end; ++it)
      if ((*it)[2].str().find("CREMA_REGISTER(") != std::string::npos) out.insert((*it)[1]);
  return out;
}

class Checker {
 public:
  explicit Checker(const Registry& registry) : registry_(registry) {
    for (const std::string& name : registry_.rooms) rooms_.push_back({name, {}, {}, 0});
  }

  std::vector<std::string> check() {
    for (const Registered& entry : registry_.entries) check_entry(entry);
    check_sources();
    return complaints_;
  }

 private:
  void complain(std::string text) { complaints_.push_back(std::move(text)); }

  void check_entry(const Registered& entry) {
    const std::string what = fmt::format("{} '{}'", entry.table, entry.name);
    const std::string file = fs::path(entry.file).lexically_normal().generic_string();
    const std::string prefix = registry_.source_folder + "/";
    if (!file.starts_with(prefix) || !file_exists(file))
      return complain(fmt::format("{}: no such file in the source folder: {}", what, file));
    const std::string relative = file.substr(prefix.size());
    registering_.insert(relative);
    const Room* room = room_of(rooms_, relative);
    if (room == nullptr) return complain(fmt::format("{}: {} is in no room", what, relative));
    if (entry.table == "layer type") return check_layer(what, entry.name);
    const std::string wanted = fs::path(relative).stem().string() + "_test.cpp";
    if (!has_file(room->name, wanted) && !is_named_in(room->name, entry.name))
      complain(fmt::format("{}: no test: neither {} nor a test with its name in tests/{}", what,
                           wanted, room->name));
  }

  void check_layer(const std::string& what, const std::string& type) {
    const std::string gradients = "/exec/gradients/" + type + ".prototxt";
    if (!file_exists(registry_.test_folder + gradients))
      complain(fmt::format("{}: no gradient test: no tests{}", what, gradients));
    const std::string recordings = registry_.test_folder + "/goldens/layers/" + type;
    if (files_under(recordings, {""}).empty() && !is_named_in("layers", type))
      complain(
          fmt::format("{}: no test: neither recordings in tests/goldens/layers/{} nor a test "
                      "with its name in tests/layers",
                      what, type));
  }

  bool has_file(const std::string& room, const std::string& name) const {
    const auto files = files_under(registry_.test_folder + "/" + room, {"_test.cpp"});
    return std::any_of(files.begin(), files.end(),
                       [&](const std::string& file) { return fs::path(file).filename() == name; });
  }

  bool is_named_in(const std::string& room, const std::string& name) {
    const auto [it, fresh] = names_.try_emplace(room);
    const std::string folder = registry_.test_folder + "/" + room;
    if (fresh)
      for (const std::string& file : files_under(folder, {"_test.cpp"}))
        for (auto& words : test_names(read_file(folder + "/" + file, ErrorCode::kInternal)))
          it->second.push_back(std::move(words));
    return std::any_of(it->second.begin(), it->second.end(),
                       [&](const auto& words) { return contains(words, words_of_name(name)); });
  }

  void check_sources() {
    std::map<std::string, std::string> texts;
    for (const std::string& file : files_under(registry_.source_folder, {".cpp", ".hpp"}))
      if (room_of(rooms_, file) != nullptr)
        texts[file] = read_file(registry_.source_folder + "/" + file, ErrorCode::kInternal);
    std::vector<std::string> all;
    for (const auto& [file, text] : texts) all.push_back(text);
    const std::set<std::string> macros = registering_macros(all);
    std::set<std::string> folders;
    for (const std::string& file : registering_)
      folders.insert(fs::path(file).parent_path().generic_string());
    for (const auto& [file, text] : texts) {
      if (!file.ends_with(".cpp") || registering_.contains(file)) continue;
      const std::string header = file.substr(0, file.size() - 4) + ".hpp";
      if (calls(text, macros))
        complain(fmt::format("{}: meant to register something, but did not", file));
      else if (folders.contains(fs::path(file).parent_path().generic_string()) &&
               !texts.contains(header))
        complain(fmt::format("{}: registers nothing, and has no header: nobody can use it", file));
    }
  }

  static bool calls(const std::string& text, const std::set<std::string>& macros) {
    for (const std::string& line : lines_of(text))
      for (const std::string& macro : macros)
        if (line.starts_with(macro + "(")) return true;
    return false;
  }

  const Registry& registry_;
  std::vector<Room> rooms_;
  std::set<std::string> registering_;  // files, relative to the source folder
  std::map<std::string, std::vector<std::vector<std::string>>> names_;  // of tests, by room
  std::vector<std::string> complaints_;
};

}  // namespace

std::vector<std::string> check_registry(const Registry& registry) {
  return Checker(registry).check();
}

std::vector<std::string> words_of_name(const std::string& name) {
  const auto at = [&](size_t i) {
    return i < name.size() ? static_cast<unsigned char>(name[i]) : 0;
  };
  std::vector<std::string> words;
  bool fresh = true;
  for (size_t i = 0; i < name.size(); ++i) {
    if (std::isalnum(at(i)) == 0) {
      fresh = true;
      continue;
    }
    // A capital begins a word after a small letter or digit, and before a small letter.
    if (i > 0 && std::isupper(at(i)) != 0)
      fresh |= std::isupper(at(i - 1)) == 0 || std::islower(at(i + 1)) != 0;
    if (fresh) words.emplace_back();
    words.back() += static_cast<char>(std::tolower(at(i)));
    fresh = false;
  }
  return words;
}

}  // namespace crema::house
