// Read-only access to a LevelDB database by record number.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "data/database.hpp"

namespace leveldb {
class DB;
}

namespace crema::data {

// LevelDB rewrites a database when it opens it: it takes a lock, sorts its log into a table, begins
// a new manifest, deletes the old one, and may merge tables later. All of that happens in memory
// here; the folder is only read, and may be read by others at the same time.
//
// There is no other way to count the records than to walk them, so opening reads all of them once.
class LevelDb final : public Database {
 public:
  // Error{kData} if the database is missing, damaged or empty.
  explicit LevelDb(const std::string& path);
  ~LevelDb() override;

  int64_t size() const override { return static_cast<int64_t>(ends_.size()); }
  std::string_view key(int64_t index) const override;
  std::string_view value(int64_t index, std::string& scratch) const override;

 private:
  class ReadOnlyEnv;
  void index_records();
  Error damaged(const std::string& why) const;

  std::string path_;
  std::unique_ptr<ReadOnlyEnv> env_;
  std::unique_ptr<leveldb::DB> db_;
  std::string keys_;            // one after the other
  std::vector<uint64_t> ends_;  // where each ends
};

}  // namespace crema::data
