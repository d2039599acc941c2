// Read-only access to the records of a key-value database by number.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace crema::data {

// Records in byte order of their keys; any thread reads any record. The files must not be written
// meanwhile, and nothing is written to them.
class Database {
 public:
  virtual ~Database() = default;
  virtual int64_t size() const = 0;  // > 0
  virtual std::string_view key(int64_t index) const = 0;
  // Valid as long as `scratch` is left alone. Error{kData} if the record is damaged.
  virtual std::string_view value(int64_t index, std::string& scratch) const = 0;
};

}  // namespace crema::data
