#include "data/lmdb.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <fstream>
#include <limits>

#include "base/files.hpp"

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

// What liblmdb believes unseen: the page size, at byte 40 of the file's first page (a page header
// of 16 bytes, magic, version, address and map size come before it).
void check_header(const std::string& path) {
  if (file_size(path) == 0) throw damaged(path, "is empty: its file has 0 bytes");
  std::ifstream file(data_file(path), std::ios::binary);
  std::array<char, 44> head{};
  if (!file.read(head.data(), head.size())) throw damaged(path, "is cut short: it has no header");
  uint32_t magic = 0, page = 0;
  std::memcpy(&magic, head.data() + 16, sizeof magic);
  std::memcpy(&page, head.data() + 40, sizeof page);
  if (magic != 0xBEEFC0DEu)
    throw damaged(path, "is no LMDB database: its file begins with something else");
  if (page < 256 || page > 65536 || !std::has_single_bit(page))
    throw damaged(path, fmt::format("is damaged: its header asks for pages of {} bytes", page));
}

}  // namespace

Lmdb::Lmdb(const std::string& path) {
  open(path);
  check_file_size(path);
  index_records(path);
}

void Lmdb::open(const std::string& path) {
  check_header(path);
  MDB_env* env = nullptr;
  check(mdb_env_create(&env), path, "opened");
  env_.reset(env);
  // No lock file: databases lie on read-only media, and nobody writes while a net is trained.
  const unsigned flags =
      MDB_RDONLY | MDB_NOLOCK | MDB_NOTLS | (is_directory(path) ? 0u : unsigned{MDB_NOSUBDIR});
  check(mdb_env_open(env, path.c_str(), flags, 0), path, "opened");
}

// A file cut short is mapped without complaint, and the first touch of a missing page would kill
// the process.
void Lmdb::check_file_size(const std::string& path) const {
  MDB_envinfo info;
  MDB_stat stat;
  check(mdb_env_info(env_.get(), &info), path, "read");
  check(mdb_env_stat(env_.get(), &stat), path, "read");
  const uint64_t pages = static_cast<uint64_t>(info.me_last_pgno) + 1;
  const uint64_t present = static_cast<uint64_t>(file_size(path));
  if (stat.ms_psize == 0 || pages > present / stat.ms_psize)
    throw damaged(path, fmt::format("is cut short: {} bytes where its header asks for {} pages of "
                                    "{} bytes",
                                    present, pages, stat.ms_psize));
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

std::string_view Lmdb::value(int64_t index) const {
  const Record& record = records_[static_cast<size_t>(index)];
  return {record.value, record.value_bytes};
}

}  // namespace crema::data
