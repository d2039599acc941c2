// Numbers and texts in a piece of a binary file.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>

namespace crema {

// Numbers are in the machine's byte order. get() beyond the end throws std::out_of_range: the file
// is damaged.
class Bytes {
 public:
  explicit Bytes(std::string bytes) : bytes_(std::move(bytes)) {}
  template <class T>
  T get(uint64_t at) const {
    if (at > bytes_.size() || sizeof(T) > bytes_.size() - at) throw std::out_of_range("");
    T out;
    std::memcpy(&out, bytes_.data() + at, sizeof out);
    return out;
  }
  uint64_t size() const { return bytes_.size(); }
  // The text at an offset, if it ends within the bytes.
  std::optional<std::string> text(uint64_t at) const {
    const size_t end = at < bytes_.size() ? bytes_.find('\0', at) : std::string::npos;
    if (end == std::string::npos) return std::nullopt;
    return bytes_.substr(at, end - at);
  }

 private:
  std::string bytes_;
};

}  // namespace crema
