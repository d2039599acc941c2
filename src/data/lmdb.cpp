#include "data/lmdb.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <limits>

#include "base/files.hpp"
#include "data/lmdb_check.hpp"

namespace crema::data {

namespace {

Error damaged(const std::string& path, const std::string& message) {
  Error error(ErrorCode::kData, fmt::format("the LMDB database '{}' {}", path, message));
  error.advise("copy or write the database again");
  return error;
}

void check(int status, const std::string& path, const char* doing) {
  if (status != MDB_SUCCESS)
    throw damaged(path, fmt::format("cannot be {}: {}", doing, mdb_strerror(status)));
}

// The file LMDB maps.
std::string data_file(const std::string& path) {
  return is_directory(path) ? path + "/data.mdb" : path;
}

int64_t file_size(const std::string& path) {
  struct stat info {};
  if (::stat(data_file(path).c_str(), &info) != 0)
    throw Error(ErrorCode::kData, fmt::format("'{}' is not an LMDB database: no data.mdb", path));
  return info.st_size;
}

}  // namespace

Lmdb::Lmdb(const std::string& path) {
  open(path);
  index_records(path);
}

void Lmdb::open(const std::string& path) {
  file_size(path);  // that there is one
  check_lmdb_file(data_file(path), path);
  MDB_env* env = nullptr;
  check(mdb_env_create(&env), path, "opened");
  env_.reset(env);
  // No lock file: databases lie on read-only media, and nobody writes while a net is trained.
  const unsigned flags =
      MDB_RDONLY | MDB_NOLOCK | MDB_NOTLS | (is_directory(path) ? 0u : unsigned{MDB_NOSUBDIR});
  check(mdb_env_open(env, path.c_str(), flags, 0), path, "opened");
}

void Lmdb::index_records(const std::string& path) {
  MDB_txn* txn = nullptr;
  check(mdb_txn_begin(env_.get(), nullptr, MDB_RDONLY, &txn), path, "read");
  txn_.reset(txn);
  MDB_dbi dbi = 0;
  check(mdb_dbi_open(txn, nullptr, 0, &dbi), path, "read");
  MDB_stat stat;
  check(mdb_stat(txn, dbi, &stat), path, "read");
  if (stat.ms_entries == 0)
    throw Error(ErrorCode::kData, fmt::format("the LMDB database '{}' holds no records", path));
  const uint64_t bytes = static_cast<uint64_t>(file_size(path));
  // A record takes 8 bytes at least: a wrong count must not ask for all the memory.
  records_.reserve(std::min<uint64_t>(stat.ms_entries, bytes / 8));
  MDB_cursor* raw = nullptr;
  check(mdb_cursor_open(txn, dbi, &raw), path, "read");
  const std::unique_ptr<MDB_cursor, void (*)(MDB_cursor*)> cursor(raw, mdb_cursor_close);
  MDB_val key, value;
  int status = mdb_cursor_get(raw, &key, &value, MDB_FIRST);
  for (; status == MDB_SUCCESS; status = mdb_cursor_get(raw, &key, &value, MDB_NEXT)) {
    if (key.mv_size > bytes || value.mv_size > bytes ||
        value.mv_size > std::numeric_limits<uint32_t>::max())
      throw damaged(path, fmt::format("is damaged at record {}", records_.size()));
    records_.push_back({static_cast<const char*>(key.mv_data),
                        static_cast<const char*>(value.mv_data), static_cast<uint32_t>(key.mv_size),
                        static_cast<uint32_t>(value.mv_size)});
  }
  if (status != MDB_NOTFOUND) check(status, path, "read");
  if (records_.size() != stat.ms_entries)
    throw damaged(path, fmt::format("is damaged: {} records where its header says {}",
                                    records_.size(), stat.ms_entries));
}

std::string_view Lmdb::key(int64_t index) const {
  const Record& record = records_[static_cast<size_t>(index)];
  return {record.key, record.key_bytes};
}

std::string_view Lmdb::value(int64_t index, std::string&) const {
  const Record& record = records_[static_cast<size_t>(index)];
  return {record.value, record.value_bytes};
}

}  // namespace crema::data
