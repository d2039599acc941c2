#include "data/leveldb.hpp"

#include <fmt/format.h>
#include <leveldb/db.h>
#include <leveldb/env.h>
#include <leveldb/helpers/memenv.h>

#include <algorithm>
#include <mutex>
#include <set>
#include <thread>

#include "base/files.hpp"

namespace crema::data {

// The files as they are, under a layer of memory that takes what is written and hides what is
// removed.
class LevelDb::ReadOnlyEnv final : public leveldb::EnvWrapper {
 public:
  using Status = leveldb::Status;
  ReadOnlyEnv() : ReadOnlyEnv(std::unique_ptr<Env>(leveldb::NewMemEnv(Env::Default()))) {}

  Status NewSequentialFile(const std::string& file, leveldb::SequentialFile** out) override {
    return where(file)->NewSequentialFile(file, out);
  }
  Status NewRandomAccessFile(const std::string& file, leveldb::RandomAccessFile** out) override {
    return where(file)->NewRandomAccessFile(file, out);
  }
  // Only opening writes: a merge of tables, which another thread does, would fill the memory.
  Status NewWritableFile(const std::string& file, leveldb::WritableFile** out) override {
    if (std::this_thread::get_id() != opener_) return Status::IOError(file, "read-only");
    return memory_->NewWritableFile(file, out);
  }
  Status NewAppendableFile(const std::string& file, leveldb::WritableFile**) override {
    return Status::NotSupported(file, "read-only");
  }
  bool FileExists(const std::string& file) override { return where(file)->FileExists(file); }
  Status GetChildren(const std::string& folder, std::vector<std::string>* out) override {
    std::vector<std::string> real, fresh;
    const Status status = files_->GetChildren(folder, &real);
    memory_->GetChildren(folder, &fresh);
    const std::lock_guard lock(mutex_);
    std::set<std::string> names(fresh.begin(), fresh.end());
    for (const std::string& name : real)
      if (!removed_.contains(folder + "/" + name)) names.insert(name);
    out->assign(names.begin(), names.end());
    return status;
  }
  Status RemoveFile(const std::string& file) override {
    if (memory_->FileExists(file)) memory_->RemoveFile(file);
    const std::lock_guard lock(mutex_);
    removed_.insert(file);
    return Status::OK();
  }
  Status CreateDir(const std::string&) override { return Status::OK(); }
  Status RemoveDir(const std::string&) override { return Status::OK(); }
  Status GetFileSize(const std::string& file, uint64_t* size) override {
    return where(file)->GetFileSize(file, size);
  }

 private:
  explicit ReadOnlyEnv(std::unique_ptr<Env> memory)
      : EnvWrapper(memory.get()), memory_(std::move(memory)) {}

  Env* where(const std::string& file) {
    const std::lock_guard lock(mutex_);
    return removed_.contains(file) || memory_->FileExists(file) ? memory_.get() : files_;
  }

  const std::unique_ptr<Env> memory_;
  Env* const files_ = Env::Default();
  const std::thread::id opener_ = std::this_thread::get_id();
  std::mutex mutex_;
  std::set<std::string> removed_;
};

LevelDb::LevelDb(const std::string& path) : path_(path), env_(std::make_unique<ReadOnlyEnv>()) {
  if (!file_exists(path + "/CURRENT"))
    throw Error(ErrorCode::kData,
                fmt::format("'{}' is not a LevelDB database: no file CURRENT", path));
  leveldb::Options options;
  options.env = env_.get();
  options.paranoid_checks = true;
  leveldb::DB* db = nullptr;
  const leveldb::Status status = leveldb::DB::Open(options, path, &db);
  db_.reset(db);
  if (!status.ok()) throw damaged("cannot be opened: " + status.ToString());
  index_records();
}

LevelDb::~LevelDb() = default;

Error LevelDb::damaged(const std::string& why) const {
  Error error(ErrorCode::kData, fmt::format("the LevelDB database '{}' {}", path_, why));
  error.advise("copy or write the database again");
  return error;
}

void LevelDb::index_records() {
  leveldb::ReadOptions options;
  options.verify_checksums = true;
  options.fill_cache = false;
  const std::unique_ptr<leveldb::Iterator> at(db_->NewIterator(options));
  for (at->SeekToFirst(); at->Valid(); at->Next()) {
    keys_.append(at->key().data(), at->key().size());
    ends_.push_back(keys_.size());
  }
  if (!at->status().ok())
    throw damaged(
        fmt::format("is damaged after record {}: {}", ends_.size(), at->status().ToString()));
  if (ends_.empty())
    throw Error(ErrorCode::kData, fmt::format("the LevelDB database '{}' holds no records", path_));
}

std::string_view LevelDb::key(int64_t index) const {
  const uint64_t begin = index == 0 ? 0 : ends_[static_cast<size_t>(index) - 1];
  return std::string_view(keys_).substr(begin, ends_[static_cast<size_t>(index)] - begin);
}

std::string_view LevelDb::value(int64_t index, std::string& scratch) const {
  leveldb::ReadOptions options;
  options.verify_checksums = true;
  const std::string_view name = key(index);
  const leveldb::Status status =
      db_->Get(options, leveldb::Slice(name.data(), name.size()), &scratch);
  if (!status.ok())
    throw damaged(fmt::format("is damaged at record {}: {}", index, status.ToString()));
  return scratch;
}

}  // namespace crema::data
