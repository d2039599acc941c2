// Files for the tests of the snapshot room.
#pragma once

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <bit>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/files.hpp"
#include "snapshot/state.hpp"
#include "snapshot/weights.hpp"

namespace crema::snapshot {

inline std::string fixture(const std::string& name) {
  return std::string(CREMA_TEST_DIR) + "/snapshot/fixtures/" + name;
}
inline std::string shared(const std::string& name) {
  return std::string(CREMA_SOURCE_DIR) + "/../shared/" + name;
}

// A folder of its own for each test, removed with it.
class Folder {
 public:
  Folder() {
    // In memory where that is possible: the damage tests write thousands of files.
    const bool memory = ::access("/dev/shm", W_OK) == 0;
    std::string pattern =
        (memory ? std::string("/dev/shm") : testing::TempDir()) + "/crema_snapshot_XXXXXX";
    path_ = ::mkdtemp(pattern.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& entry : std::filesystem::directory_iterator(path_))
      out.push_back(entry.path().filename());
    return out;
  }
  // A file with these bytes; its path.
  std::string put(const std::string& name, const std::string& bytes) const {
    std::ofstream(*this / name, std::ios::binary) << bytes;  // thousands of times: no fsync
    return *this / name;
  }

 private:
  std::string path_;
};

// Message and hint of the Error{kWeights} that fn throws; "" if none.
inline std::string complaint(const std::function<void()>& fn,
                             ErrorCode code = ErrorCode::kWeights) {
  try {
    fn();
    return {};
  } catch (const Error& error) {
    EXPECT_EQ(error.code, code) << error.what();
    return error.message + " | " + error.hint;
  }
}

// While it lives no file of this process can grow beyond `bytes`: a write fails as on a full disk.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    old_ = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FullDisk() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, old_);
  }

 private:
  rlimit before_{};
  void (*old_)(int);
};

inline std::string wrong_weights(const std::string& path) {
  return complaint([&] { read_weights(path); });
}
inline std::string wrong_state(const std::string& path) {
  return complaint([&] { read_state(path); });
}

// Floats that must be the same to the last bit, NaNs and zeros of either sign too.
inline std::vector<uint32_t> bits(const std::vector<float>& values) {
  std::vector<uint32_t> out;
  for (const float x : values) out.push_back(std::bit_cast<uint32_t>(x));
  return out;
}

}  // namespace crema::snapshot
