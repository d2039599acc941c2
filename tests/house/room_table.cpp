#include "house/room_table.hpp"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <map>
#include <sstream>

namespace crema::house {

namespace {

namespace fs = std::filesystem;

struct Call {
  std::string name;
  std::vector<std::string> arguments;
  int line = 0;
};

std::string without_comments(const std::string& cmake) {
  std::string out;
  for (const std::string& line : lines_of(cmake)) out += line.substr(0, line.find('#')) + "\n";
  return out;
}

std::vector<std::string> words_of(std::string text) {
  std::erase(text, '"');
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

// Every NAME(arguments), parentheses inside the arguments balanced.
std::vector<Call> calls_of(const std::string& text) {
  std::vector<Call> calls;
  int line = 1;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n') ++line;
    if (text[i] != '(') continue;
    size_t end = i;
    while (end > 0 && (text[end - 1] == ' ' || text[end - 1] == '\t')) --end;
    size_t begin = end;
    while (begin > 0 && (std::isalnum(static_cast<unsigned char>(text[begin - 1])) != 0 ||
                         text[begin - 1] == '_'))
      --begin;
    size_t close = i + 1;
    for (int depth = 1; close < text.size(); ++close) {
      depth += text[close] == '(' ? 1 : text[close] == ')' ? -1 : 0;
      if (depth == 0) break;
    }
    calls.push_back(
        {text.substr(begin, end - begin), words_of(text.substr(i + 1, close - i - 1)), line});
    line += static_cast<int>(std::count(text.begin() + i, text.begin() + close, '\n'));
    i = close;
  }
  return calls;
}

using Variables = std::map<std::string, std::vector<std::string>>;

// ${name} alone becomes the list's elements; other words (also ${LIBRARY} of nobody) stay.
std::vector<std::string> expanded(const std::vector<std::string>& words, const Variables& known) {
  std::vector<std::string> out;
  for (const std::string& word : words) {
    const bool variable = word.size() > 3 && word.starts_with("${") && word.ends_with('}');
    const auto it = variable ? known.find(word.substr(2, word.size() - 3)) : known.end();
    if (it == known.end())
      out.push_back(word);
    else
      out.insert(out.end(), it->second.begin(), it->second.end());
  }
  return out;
}

Room room_from(const std::vector<std::string>& words, int line) {
  Room room;
  room.line = line;
  std::vector<std::string>* into = nullptr;
  for (const std::string& word : words) {
    if (word == "MAY_INCLUDE")
      into = &room.may_include;
    else if (word == "LIBRARIES")
      into = &room.libraries;
    else if (into != nullptr)
      into->push_back(word);
    else
      room.name = word;
  }
  return room;
}

}  // namespace

bool Room::lists(const std::string& room) const {
  return std::find(may_include.begin(), may_include.end(), room) != may_include.end();
}

std::vector<Room> parse_room_table(const std::string& cmake) {
  std::vector<Room> rooms;
  Variables known;
  bool inside_function = false;
  for (const Call& call : calls_of(without_comments(cmake))) {
    if (call.name == "function" || call.name == "macro") inside_function = true;
    if (call.name == "endfunction" || call.name == "endmacro") inside_function = false;
    if (inside_function || call.arguments.empty()) continue;
    std::vector<std::string> words = expanded(call.arguments, known);
    if (call.name == "set") {
      known[words[0]] = {words.begin() + 1, words.end()};
    } else if (call.name == "list" && words[0] == "APPEND" && words.size() > 1) {
      std::vector<std::string>& list = known[words[1]];
      list.insert(list.end(), words.begin() + 2, words.end());
    } else if (call.name == "crema_room") {
      rooms.push_back(room_from(words, call.line));
    }
  }
  return rooms;
}

const Room* room_of(const std::vector<Room>& rooms, const std::string& path) {
  const Room* best = nullptr;
  for (const Room& room : rooms)
    if (path.starts_with(room.name + "/") && (!best || room.name.size() > best->name.size()))
      best = &room;
  return best;
}

std::vector<std::string> files_under(const std::string& folder,
                                     const std::vector<std::string>& endings) {
  std::vector<std::string> out;
  if (!fs::is_directory(folder)) return out;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const std::string name = fs::relative(entry.path(), folder).generic_string();
    const auto wanted = [&](const std::string& ending) { return name.ends_with(ending); };
    if (entry.is_regular_file() && std::any_of(endings.begin(), endings.end(), wanted))
      out.push_back(name);
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

}  // namespace crema::house
