// Files: whole reads, and writes that are either complete or did not happen.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace crema {

// The whole file. Error{code} naming the path and the system's reason if it cannot be read.
std::string read_file(const std::string& path, ErrorCode code);
bool file_exists(const std::string& path);
bool is_directory(const std::string& path);
// Whether the file begins with HDF5's signature; false if it cannot be read.
bool is_hdf5_file(const std::string& path);

// Writes beside the target under a temporary name; commit() makes it durable (fsync), gives it its
// name (rename) and makes the name durable (fsync of the directory). Without commit() the
// destructor removes the temporary file and the target is as it was. Error{kOutput} on failure.
class AtomicFile {
 public:
  explicit AtomicFile(std::string path);  // creates missing parent directories
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  int descriptor() const { return fd_; }
  const std::string& temporary() const { return temporary_; }
  void write(std::string_view bytes);
  void commit();

 private:
  [[noreturn]] void fail(const char* doing);
  std::string path_, temporary_;
  int fd_ = -1;
};

// AtomicFile in one call.
void write_file_atomically(const std::string& path, std::string_view bytes);

// A log: bytes go to its end at once, with no buffer of ours that a crash could lose.
// Error{kOutput}.
class AppendFile {
 public:
  explicit AppendFile(std::string path);  // creates missing parent directories and the file
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;
  void write(std::string_view bytes);
  // What is in it goes. A pipe or a terminal has no past: nothing happens, here and below.
  void clear();
  // Cuts off what follows the last newline: a line that a crash left unfinished.
  void drop_unfinished_line();

 private:
  [[noreturn]] void fail(const char* doing) const;
  int64_t size() const;  // 0 for what is no regular file
  void truncate(int64_t size);
  std::string path_;
  int fd_ = -1;
};

// CRC-32 (zlib's polynomial) of bytes, or of more bytes after those with the CRC-32 `before`.
uint32_t crc32_of(std::string_view bytes, uint32_t before = 0);
// The same of a file, read in pieces. Error{code} if it cannot be read.
uint32_t crc32_of_file(const std::string& path, ErrorCode code);

}  // namespace crema
