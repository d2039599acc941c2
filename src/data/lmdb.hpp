// Read-only access to an LMDB database by record number.
#pragma once

#include <lmdb.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "data/database.hpp"

namespace crema::data {

// The records of the unnamed database of a folder with data.mdb (or of such a file), in key order.
// One read transaction lives as long as the object, so that the records stay where they are in the
// memory map: any thread reads any record without a lock or a cursor. The files must not be written
// meanwhile, and nothing is written to them (no lock file either).
class Lmdb final : public Database {
 public:
  // Error{kData} if the database is missing, damaged, shorter than it says, or empty.
  explicit Lmdb(const std::string& path);

  int64_t size() const override { return static_cast<int64_t>(records_.size()); }
  std::string_view key(int64_t index) const override;
  std::string_view value(int64_t index, std::string& scratch) const override;

 private:
  struct Record {
    const char* key;
    const char* value;
    uint32_t key_bytes;
    uint32_t value_bytes;
  };
  struct CloseEnvironment {
    void operator()(MDB_env* env) const { mdb_env_close(env); }
  };
  struct AbortTransaction {
    void operator()(MDB_txn* txn) const { mdb_txn_abort(txn); }
  };

  void open(const std::string& path);
  void index_records(const std::string& path);

  std::unique_ptr<MDB_env, CloseEnvironment> env_;
  std::unique_ptr<MDB_txn, AbortTransaction> txn_;
  std::vector<Record> records_;
};

}  // namespace crema::data
