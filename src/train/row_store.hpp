// Records of one size, by number: in memory or in a temporary file.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace crema::train {

class RowStore {
 public:
  virtual ~RowStore() = default;
  // True once put() has been called for the record.
  bool has(int64_t row) const { return present_[static_cast<size_t>(row)]; }
  // Error{kOutput} if the file cannot be written or read.
  virtual void put(int64_t row, std::span<const float> record) = 0;
  virtual void get(int64_t row, std::span<float> record) const = 0;

 protected:
  explicit RowStore(int64_t rows) : present_(static_cast<size_t>(rows), false) {}
  std::vector<bool> present_;
};

std::unique_ptr<RowStore> make_memory_store(int64_t rows, int64_t record);
// In a file of `folder` that has no name any more and goes with the process. Error{kOutput}.
std::unique_ptr<RowStore> make_disk_store(int64_t rows, int64_t record, const std::string& folder);

}  // namespace crema::train
