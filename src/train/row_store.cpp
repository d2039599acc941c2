#include "train/row_store.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/error.hpp"
#include "tensor/tensor.hpp"

namespace crema::train {

namespace {

class MemoryStore final : public RowStore {
 public:
  MemoryStore(int64_t rows, int64_t record)
      : RowStore(rows),
        record_(static_cast<size_t>(record)),
        memory_(static_cast<size_t>(rows) * record_ * sizeof(float)) {}

  void put(int64_t row, std::span<const float> record) override {
    std::copy(record.begin(), record.end(), at(row));
    present_[static_cast<size_t>(row)] = true;
  }
  void get(int64_t row, std::span<float> record) const override {
    std::copy_n(at(row), record_, record.begin());
  }

 private:
  float* at(int64_t row) const {
    return reinterpret_cast<float*>(memory_.data()) + static_cast<size_t>(row) * record_;
  }
  size_t record_;
  Arena memory_;
};

class DiskStore final : public RowStore {
 public:
  DiskStore(int64_t rows, int64_t record, const std::string& folder)
      : RowStore(rows),
        path_(folder + "/crema_features_XXXXXX"),
        bytes_(static_cast<size_t>(record) * sizeof(float)) {
    file_ = ::mkstemp(path_.data());
    if (file_ < 0) fail("cannot be made");
    ::unlink(path_.c_str());
  }
  ~DiskStore() override { ::close(file_); }

  void put(int64_t row, std::span<const float> record) override {
    transfer(row, record.data(), [&](const char* data, size_t bytes, off_t offset) {
      return ::pwrite(file_, data, bytes, offset);
    });
    present_[static_cast<size_t>(row)] = true;
  }
  void get(int64_t row, std::span<float> record) const override {
    transfer(row, record.data(), [&](char* data, size_t bytes, off_t offset) {
      return ::pread(file_, data, bytes, offset);
    });
  }

 private:
  template <class Number, class Move>
  void transfer(int64_t row, Number* record, Move&& move) const {
    using Byte = std::conditional_t<std::is_const_v<Number>, const char, char>;
    auto* data = reinterpret_cast<Byte*>(record);
    auto offset = static_cast<off_t>(static_cast<size_t>(row) * bytes_);
    for (size_t left = bytes_; left > 0;) {
      const ssize_t done = move(data, left, offset);
      if (done < 0 && errno == EINTR) continue;
      if (done <= 0) fail(std::is_const_v<Number> ? "cannot be written" : "cannot be read");
      data += done;
      offset += done;
      left -= static_cast<size_t>(done);
    }
  }

  [[noreturn]] void fail(const char* what) const {
    throw Error(ErrorCode::kOutput,
                fmt::format("the features' file '{}' {}: {}", path_, what, std::strerror(errno)))
        .advise("name another folder in cache_features, or keep less");
  }

  std::string path_;
  size_t bytes_;
  int file_ = -1;
};

}  // namespace

std::unique_ptr<RowStore> make_memory_store(int64_t rows, int64_t record) {
  return std::make_unique<MemoryStore>(rows, record);
}

std::unique_ptr<RowStore> make_disk_store(int64_t rows, int64_t record, const std::string& folder) {
  return std::make_unique<DiskStore>(rows, record, folder);
}

}  // namespace crema::train
