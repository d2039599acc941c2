#include "config/places.hpp"

#include <fmt/format.h>

#include "config/places_index.hpp"

namespace crema::config {

std::string canonical_path(std::string_view path) {
  std::string out(path);
  for (size_t i = out.find("[0]"); i != std::string::npos; i = out.find("[0]", i)) out.erase(i, 3);
  return out;
}

std::string element_path(std::string_view list, int index) {
  return index == 0 ? std::string(list) : fmt::format("{}[{}]", list, index);
}

std::string parent_path(std::string_view path) {
  const size_t dot = path.rfind('.');
  return std::string(path.substr(0, dot == std::string_view::npos ? 0 : dot));
}

std::string join_paths(std::string_view outer, std::string_view inner) {
  if (outer.empty() || inner.empty()) return fmt::format("{}{}", outer, inner);
  return fmt::format("{}.{}", outer, inner);
}

std::string original_path(std::string_view path, const std::vector<Renaming>& steps) {
  std::string out(path);
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    for (std::string head = out; !head.empty(); head = parent_path(head)) {
      const auto it = step->find(head);
      if (it == step->end()) continue;
      out = it->second + out.substr(head.size());
      break;
    }
  }
  return out;
}

Location Places::Index::find(std::string_view path) const {
  for (std::string at = canonical_path(path); !at.empty(); at = parent_path(at)) {
    const auto it = entries.find(original_path(at, steps));
    if (it != entries.end()) return it->second;
  }
  return root;
}

void Places::Index::erase(std::string_view path) {
  const std::string name = canonical_path(path);
  std::erase_if(entries, [&](const auto& entry) {
    return entry.first == name || entry.first.starts_with(name + ".") ||
           entry.first.starts_with(name + "[");
  });
}

Places::Index Places::Index::subtree(std::string_view prefix) const {
  const std::string name = canonical_path(prefix) + ".";
  Index out;
  out.root = find(prefix);
  for (const auto& [path, where] : entries)
    if (path.starts_with(name)) out.entries.emplace(path.substr(name.size()), where);
  return out;
}

Location Places::at(std::string_view path) const {
  return index_ ? index_->find(join_paths(prefix_, moved(path))) : Location{};
}

Places Places::inside(std::string_view path) const {
  return Places(index_, join_paths(prefix_, moved(path)));
}

Places Places::with_fields_of(std::string_view path, const std::vector<std::string>& fields) const {
  Places out = *this;
  out.other_ = moved(path);
  out.elsewhere_ = fields;
  return out;
}

std::string Places::moved(std::string_view path) const {
  const std::string_view head = path.substr(0, path.find_first_of(".["));
  for (const std::string& field : elsewhere_)
    if (head == field) return join_paths(other_, path);
  return std::string(path);
}

}  // namespace crema::config
