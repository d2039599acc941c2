#include "base/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace crema {

namespace {

std::string reason() {
  return std::strerror(errno);
}

struct Closer {
  int fd;
  ~Closer() {
    if (fd >= 0) ::close(fd);
  }
};

void create_parent(const std::string& path) {
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  std::error_code status;
  if (!parent.empty()) std::filesystem::create_directories(parent, status);
  if (status)
    throw Error(ErrorCode::kOutput, fmt::format("cannot create the directory '{}': {}",
                                                parent.string(), status.message()));
}

// False, with errno, if the system does not take them all.
bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

// Calls use(piece, size of the file) until the end.
template <class Use>
void read_pieces(const std::string& path, ErrorCode code, Use&& use) {
  const Closer file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) throw Error(code, fmt::format("cannot open '{}': {}", path, reason()));
  struct stat info {};
  if (::fstat(file.fd, &info) == 0 && S_ISDIR(info.st_mode))
    throw Error(code, fmt::format("'{}' is a directory, not a file", path));
  char buffer[1 << 16];
  for (;;) {
    const ssize_t n = ::read(file.fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw Error(code, fmt::format("cannot read '{}': {}", path, reason()));
    if (n == 0) return;
    use(std::string_view(buffer, static_cast<size_t>(n)), int64_t{info.st_size});
  }
}

}  // namespace

std::string read_file(const std::string& path, ErrorCode code) {
  std::string out;
  read_pieces(path, code, [&](std::string_view piece, int64_t size) {
    if (out.empty() && size > 0) out.reserve(static_cast<size_t>(size) + 1);
    out.append(piece);
  });
  return out;
}

bool file_exists(const std::string& path) {
  return ::access(path.c_str(), F_OK) == 0;
}

bool is_directory(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_directory(path, ignored);
}

bool is_hdf5_file(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe must not hang
  if (file < 0) return false;
  char head[8] = {};
  const ssize_t got = ::read(file, head, sizeof head);
  ::close(file);
  return got == sizeof head && std::string_view(head, sizeof head) == "\x89HDF\r\n\x1a\n";
}

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)) {
  create_parent(path_);
  temporary_ = fmt::format("{}.{}.tmp", path_, ::getpid());
  fd_ = ::open(temporary_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd_ < 0) fail("create");
}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::fail(const char* doing) {
  const std::string why = reason();
  if (fd_ >= 0) {
    ::close(fd_);
    ::unlink(temporary_.c_str());
    fd_ = -1;
  }
  throw Error(ErrorCode::kOutput, fmt::format("cannot {} '{}': {}", doing, path_, why))
      .advise("nothing was changed: an earlier file of that name is still whole");
}

void AtomicFile::write(std::string_view bytes) {
  if (!write_all(fd_, bytes)) fail("write");
}

void AtomicFile::commit() {
  if (::fsync(fd_) != 0) fail("write");
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail("rename a temporary file to");
  ::close(fd_);
  fd_ = -1;
  const std::string parent = std::filesystem::path(path_).parent_path().string();
  const Closer directory{
      ::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  // Some file systems cannot sync a directory; the file itself is already safe.
  if (directory.fd >= 0) ::fsync(directory.fd);
}

void write_file_atomically(const std::string& path, std::string_view bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

AppendFile::AppendFile(std::string path) : path_(std::move(path)) {
  create_parent(path_);
  fd_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (fd_ < 0) fail("open");
}

AppendFile::~AppendFile() {
  if (fd_ >= 0) ::close(fd_);
}

void AppendFile::fail(const char* doing) const {
  throw Error(ErrorCode::kOutput, fmt::format("cannot {} '{}': {}", doing, path_, reason()));
}

void AppendFile::write(std::string_view bytes) {
  if (!write_all(fd_, bytes)) fail("write");
}

int64_t AppendFile::size() const {
  struct stat info {};
  if (::fstat(fd_, &info) != 0) fail("read");
  return S_ISREG(info.st_mode) ? int64_t{info.st_size} : 0;
}

void AppendFile::truncate(int64_t size) {
  if (size != this->size() && ::ftruncate(fd_, size) != 0) fail("write");
}

void AppendFile::clear() {
  if (size() > 0) truncate(0);
}

void AppendFile::drop_unfinished_line() {
  int64_t end = size();
  char buffer[4096];
  while (end > 0) {
    const int64_t begin = std::max<int64_t>(0, end - static_cast<int64_t>(sizeof buffer));
    const ssize_t n = ::pread(fd_, buffer, static_cast<size_t>(end - begin), begin);
    if (n <= 0) fail("read");
    const size_t newline = std::string_view(buffer, static_cast<size_t>(n)).rfind('\n');
    end = newline == std::string_view::npos ? begin : begin + static_cast<int64_t>(newline) + 1;
    if (newline != std::string_view::npos) break;
  }
  if (size() > 0) truncate(end);
}

uint32_t crc32_of(std::string_view bytes, uint32_t before) {
  uLong crc = before;
  while (!bytes.empty()) {
    const size_t n = std::min<size_t>(bytes.size(), 1u << 30);
    crc = ::crc32(crc, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(n));
    bytes.remove_prefix(n);
  }
  return static_cast<uint32_t>(crc);
}

uint32_t crc32_of_file(const std::string& path, ErrorCode code) {
  uint32_t crc = 0;
  read_pieces(path, code, [&](std::string_view piece, int64_t) { crc = crc32_of(piece, crc); });
  return crc;
}

}  // namespace crema
