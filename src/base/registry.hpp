// Name tables filled before main() by the files that implement the named things.
//
//   namespace { CREMA_REGISTER(LayerFactory, "ReLU", [] { return std::make_unique<Relu>(); }); }
//
// Rooms are OBJECT libraries, so that no linker drops a file that only registers itself.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"

namespace crema {

// Every registration in the program, whatever its table: for the `registry` test.
struct Registered {
  std::string table;
  std::string name;
  std::string file;
};
std::vector<Registered>& all_registered();

// One table. Tag is a struct with `using Entry = ...;` and `static constexpr const char* kTable`.
template <class Tag>
class Registry {
 public:
  using Entry = typename Tag::Entry;

  static Registry& instance() {
    static Registry registry;
    return registry;
  }

  bool add(const std::string& name, Entry entry, const char* file) {
    const bool fresh = entries_.emplace(name, std::move(entry)).second;
    CREMA_CHECK(fresh, std::string(Tag::kTable) + " '" + name + "' is registered twice");
    all_registered().push_back({Tag::kTable, name, file});
    return true;
  }

  // Null if nobody registered that name.
  const Entry* find(const std::string& name) const {
    const auto it = entries_.find(name);
    return it == entries_.end() ? nullptr : &it->second;
  }

  // In byte order.
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& [name, entry] : entries_) out.push_back(name);
    return out;
  }

 private:
  std::map<std::string, Entry> entries_;
};

#define CREMA_REGISTER_CONCAT2(a, b) a##b
#define CREMA_REGISTER_CONCAT(a, b) CREMA_REGISTER_CONCAT2(a, b)
#define CREMA_REGISTER(Tag, name, ...)                                          \
  [[maybe_unused]] const bool CREMA_REGISTER_CONCAT(registered_, __COUNTER__) = \
      ::crema::Registry<Tag>::instance().add(name, __VA_ARGS__, __FILE__)

}  // namespace crema
