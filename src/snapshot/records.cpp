#include "snapshot/records.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

namespace crema::snapshot {

namespace {

constexpr int kReadBlock = 1 << 20;
constexpr size_t kWriteBlock = 1 << 16;

}  // namespace

class RecordReader::File : public google::protobuf::io::CopyingInputStream {
 public:
  explicit File(const std::string& path) {
    // Not blocking: opening a pipe that nobody writes to must not hang.
    fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd_ < 0) refuse(fmt::format("cannot open '{}': {}", path, std::strerror(errno)));
    struct stat info {};
    if (::fstat(fd_, &info) != 0 || !S_ISREG(info.st_mode))
      refuse(fmt::format("'{}' is {}, not a file", path,
                         S_ISDIR(info.st_mode) ? "a directory" : "a device or pipe"));
    size = info.st_size;
  }
  ~File() override {
    if (fd_ >= 0) ::close(fd_);
  }
  int Read(void* buffer, int length) override {
    ssize_t n;
    do n = ::read(fd_, buffer, static_cast<size_t>(length));
    while (n < 0 && errno == EINTR);
    if (n < 0) failure = std::strerror(errno);
    if (n > 0) crc = crc32_of({static_cast<char*>(buffer), static_cast<size_t>(n)}, crc);
    return static_cast<int>(n);
  }

  int block() const { return static_cast<int>(std::clamp<int64_t>(size, 1, kReadBlock)); }

  int64_t size = 0;
  uint32_t crc = 0;
  std::string failure;

 private:
  [[noreturn]] void refuse(std::string why) {
    if (fd_ >= 0) ::close(fd_);
    throw Error(ErrorCode::kWeights, std::move(why));
  }
  int fd_ = -1;
};

RecordReader::RecordReader(const std::string& path)
    : path_(path), file_(std::make_unique<File>(path)), stream_(file_.get(), file_->block()) {}

RecordReader::~RecordReader() = default;

int64_t RecordReader::position() const {
  return stream_.ByteCount();
}

uint32_t RecordReader::crc32() const {
  return file_->crc;
}

void RecordReader::damaged(const std::string& what) const {
  if (!file_->failure.empty())
    throw Error(ErrorCode::kWeights, fmt::format("cannot read '{}': {}", path_, file_->failure));
  throw Error(ErrorCode::kWeights, fmt::format("'{}' is damaged or of another kind: {} (in the "
                                               "record at byte {} of {})",
                                               path_, what, record_begin_, file_->size));
}

bool RecordReader::next() {
  if (body_ > 0 && !stream_.Skip(body_)) damaged("it ends too early");
  body_ = 0;
  record_begin_ = position();
  if (record_begin_ >= file_->size) return false;
  read_header();
  return true;
}

void RecordReader::read_header() {
  uint64_t length = 0;
  {
    google::protobuf::io::CodedInputStream in(&stream_);
    const uint32_t key = in.ReadTagNoLastTag();
    field_ = static_cast<int>(key >> 3);
    if (field_ == 0) damaged("this is no record");
    wire_ = static_cast<Wire>(key & 7);
    number_ = 0;
    uint32_t small = 0;
    bool ok = false;
    switch (wire_) {
      case Wire::kVarint:
        ok = in.ReadVarint64(&number_);
        break;
      case Wire::kFixed64:
        ok = in.ReadLittleEndian64(&number_);
        break;
      case Wire::kBytes:
        ok = in.ReadVarint64(&length);
        break;
      case Wire::kFixed32:
        ok = in.ReadLittleEndian32(&small);
        number_ = small;
        break;
    }
    if (!ok) damaged("this is no record");
  }
  if (wire_ == Wire::kBytes) check_length(length);
}

void RecordReader::check_length(uint64_t length) {
  const auto left = static_cast<uint64_t>(file_->size - position());
  if (length > left)
    damaged(fmt::format("it is cut off: {} bytes should follow, there are {}", length, left));
  if (length > static_cast<uint64_t>(std::numeric_limits<int>::max()))
    damaged("a record of more than 2 GiB");
  body_ = static_cast<int>(length);
}

std::string RecordReader::bytes() {
  std::string out;
  google::protobuf::io::CodedInputStream in(&stream_);
  if (!in.ReadString(&out, body_)) damaged("it ends too early");
  body_ = 0;
  return out;
}

void RecordReader::parse(google::protobuf::MessageLite& message) {
  google::protobuf::io::CodedInputStream in(&stream_);
  in.PushLimit(body_);
  if (!message.ParseFromCodedStream(&in) || !in.ConsumedEntireMessage() ||
      in.BytesUntilLimit() != 0)
    damaged(fmt::format("this is no {}", message.GetTypeName()));
  body_ = 0;
}

void RecordReader::append_to(std::string& out) {
  append_key(out, field_, wire_);
  switch (wire_) {
    case Wire::kVarint:
      append_varint(out, number_);
      break;
    case Wire::kFixed64:
      out.append(reinterpret_cast<const char*>(&number_), 8);
      break;
    case Wire::kFixed32:
      out.append(reinterpret_cast<const char*>(&number_), 4);
      break;
    case Wire::kBytes:
      append_varint(out, static_cast<uint64_t>(body_));
      out += bytes();
      break;
  }
}

void append_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

void append_key(std::string& out, int field, Wire wire) {
  append_varint(out, static_cast<uint64_t>(field) << 3 | static_cast<uint64_t>(wire));
}

void RecordWriter::write(std::string_view bytes) {
  crc_ = crc32_of(bytes, crc_);
  if (pending_.size() + bytes.size() > kWriteBlock) {
    file_.write(pending_);
    pending_.clear();
  }
  if (bytes.size() > kWriteBlock)
    file_.write(bytes);
  else
    pending_ += bytes;
}

uint32_t RecordWriter::commit() {
  file_.write(pending_);
  file_.commit();
  return crc_;
}

}  // namespace crema::snapshot
