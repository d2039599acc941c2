// Every self-registering file registered something, and everything registered has a test.
#include "base/registry.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

namespace crema {
namespace {

namespace fs = std::filesystem;
const fs::path kSource = CREMA_SOURCE_DIR "/src", kTests = CREMA_TEST_DIR;

std::string read(const fs::path& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

// All tests as one text: their code, tables and file names.
const std::string& all_tests() {
  static const std::string text = [] {
    std::string out;
    for (const auto& entry : fs::recursive_directory_iterator(kTests)) {
      const std::string name = entry.path().generic_string();
      if (!entry.is_regular_file() || name.find("/house/") != std::string::npos) continue;
      out += "\n" + name + "\n";
      const std::string kind = entry.path().extension();
      if (kind == ".cpp" || kind == ".hpp" || kind == ".prototxt") out += read(entry.path());
    }
    return out;
  }();
  return text;
}

bool is_word_in_tests(const std::string& name) {
  const std::string& text = all_tests();
  const auto word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
  for (size_t at = text.find(name); at != std::string::npos; at = text.find(name, at + 1)) {
    const size_t end = at + name.size();
    if ((at == 0 || !word(text[at - 1])) && (end >= text.size() || !word(text[end]))) return true;
  }
  return false;
}

TEST(registry, every_self_registering_file_registered_something) {
  std::set<std::string> registered;
  for (const Registered& entry : all_registered())
    registered.insert(fs::weakly_canonical(entry.file).generic_string());
  static const std::regex macro("\\n\\s*CREMA_(REGISTER|LAYER|FILLER)\\w*\\(|\\nCREMA_[A-Z_]+\\(");
  int files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(kSource)) {
    if (entry.path().extension() != ".cpp" || !std::regex_search(read(entry.path()), macro))
      continue;
    ++files;
    EXPECT_TRUE(registered.contains(fs::weakly_canonical(entry.path()).generic_string()))
        << entry.path() << " registers nothing: is its room linked as objects?";
  }
  EXPECT_GT(files, 60);
}

TEST(registry, every_layer_file_registers) {
  // A file of layers/ without a header of its own name is a layer type.
  std::set<std::string> registered;
  for (const Registered& entry : all_registered())
    registered.insert(fs::path(entry.file).filename().string());
  for (const char* folder : {"layers", "layers/fillers", "optim/lr", "optim/rules", "data/sources"})
    for (const auto& entry : fs::directory_iterator(kSource / folder)) {
      fs::path header = entry.path();
      header.replace_extension(".hpp");
      if (entry.path().extension() == ".cpp" && !fs::exists(header)) {
        EXPECT_TRUE(registered.contains(entry.path().filename().string())) << entry.path();
      }
    }
}

TEST(registry, everything_registered_has_a_test) {
  std::set<std::string> tables;
  for (const Registered& entry : all_registered()) {
    tables.insert(entry.table);
    EXPECT_TRUE(is_word_in_tests(entry.name))
        << entry.table << " '" << entry.name << "' (" << entry.file << ") is named in no test";
  }
  for (const char* table : {"layer type", "filler", "optimizer", "learning-rate policy",
                            "data source", "reference kernel"})
    EXPECT_TRUE(tables.contains(table)) << "nothing registered in table " << table;
  EXPECT_FALSE(is_word_in_tests(std::string("NoSuch") + "LayerType"))
      << "the search finds anything";
}

}  // namespace
}  // namespace crema
