// Cifar10Data: the binary files of CIFAR-10, one after the other.
//   record  1 label byte (0 to 9), 1024 bytes each of the red, green and blue plane, row by row
//   tops    data (3, 32, 32) bytes, channels R, G, B as in the file; label ()
// Records are read when they are asked for; the system's page cache keeps them.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "data/located.hpp"
#include "data/source.hpp"

namespace crema::data {

namespace {

constexpr int64_t kSide = 32, kPixels = 3 * kSide * kSide, kRecord = 1 + kPixels;
constexpr int kClasses = 10;

// One open file of records.
class RecordFile {
 public:
  explicit RecordFile(const std::string& path)
      : path_(path), fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    struct stat info {};
    if (fd_ < 0 || ::fstat(fd_, &info) != 0) throw fail("cannot be opened");
    if (!S_ISREG(info.st_mode)) throw fail("is not a file");
    if (info.st_size == 0 || info.st_size % kRecord != 0)
      throw fail(fmt::format("has {} bytes, which is no multiple of a record's {}",
                             int64_t{info.st_size}, kRecord))
          .advise("it is cut short, or not a file of the binary version of CIFAR-10");
    size_ = info.st_size / kRecord;
  }
  ~RecordFile() {
    if (fd_ >= 0) ::close(fd_);
  }
  RecordFile(RecordFile&& other) noexcept
      : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), size_(other.size_) {}
  RecordFile& operator=(RecordFile&&) = delete;

  int64_t size() const { return size_; }
  const std::string& path() const { return path_; }

  void read(int64_t index, std::array<uint8_t, kRecord>& out) const {
    size_t done = 0;
    while (done < out.size()) {
      const ssize_t got = ::pread(fd_, out.data() + done, out.size() - done,
                                  index * kRecord + static_cast<int64_t>(done));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0)
        throw fail(fmt::format("cannot be read at record {}: {}", index,
                               got < 0 ? std::strerror(errno) : "it has become shorter"));
      done += static_cast<size_t>(got);
    }
  }

 private:
  Error fail(const std::string& message) {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));  // a constructor that throws has no destructor
    return std::as_const(*this).fail(message);
  }
  Error fail(const std::string& message) const {
    return Error(ErrorCode::kData, fmt::format("'{}' {}", path_, message));
  }

  std::string path_;
  int fd_ = -1;
  int64_t size_ = 0;
};

class Cifar10Source final : public Source {
 public:
  Cifar10Source(std::vector<RecordFile> files, size_t tops)
      : files_(std::move(files)), tops_(tops) {
    for (const RecordFile& file : files_) ends_.push_back(size() + file.size());
  }

  int64_t size() const override { return ends_.empty() ? 0 : ends_.back(); }
  std::string describe(int64_t index) const override {
    const auto [file, record] = find(index);
    return fmt::format("record {} of '{}'", record, file->path());
  }
  void read(int64_t index, Sample& out) const override {
    const auto [file, record] = find(index);
    std::array<uint8_t, kRecord> bytes;
    file->read(record, bytes);
    if (bytes[0] >= kClasses)
      throw Error(ErrorCode::kData, fmt::format("{} has the label {}; CIFAR-10 has {} classes",
                                                describe(index), bytes[0], kClasses))
          .advise("the file is damaged, or not a file of the binary version of CIFAR-10");
    out.resize(tops_);
    out[0].shape = Shape{3, kSide, kSide};
    out[0].bytes.assign(bytes.begin() + 1, bytes.end());
    if (tops_ > 1) out[1].values.assign(1, bytes[0]);
  }

 private:
  // The file that holds a sample, and the sample's number in it.
  std::pair<const RecordFile*, int64_t> find(int64_t index) const {
    const auto end = std::upper_bound(ends_.begin(), ends_.end(), index);
    const RecordFile& file = files_[static_cast<size_t>(end - ends_.begin())];
    return {&file, index - (*end - file.size())};
  }

  std::vector<RecordFile> files_;
  std::vector<int64_t> ends_;  // samples before the end of each file
  size_t tops_;
};

std::unique_ptr<Source> open_cifar10(const config::LayerConfig& layer, caffe::Phase) {
  const caffe::Cifar10DataParameter& param = layer.param.cifar10_data_param();
  if (param.source().empty())
    throw config_error(layer, "cifar10_data_param", "cifar10_data_param.source is not set")
        .advise("name the *.bin files, one source field each");
  std::vector<RecordFile> files;
  for (int i = 0; i < param.source_size(); ++i) {
    const std::string field = fmt::format("cifar10_data_param.source[{}]", i);
    files.emplace_back(existing_path(layer, field, param.source(i)));
  }
  return std::make_unique<Cifar10Source>(std::move(files),
                                         static_cast<size_t>(layer.param.top_size()));
}

CREMA_REGISTER(SourceTag, "Cifar10Data",
               SourceType{
                   open_cifar10,
                   [](const caffe::LayerParameter& p) -> int64_t {
                     return p.cifar10_data_param().batch_size();
                   },
                   [](const caffe::LayerParameter& p) { return p.cifar10_data_param().shuffle(); },
                   "cifar10_data_param", 2,
                   [](const caffe::LayerParameter&) {
                     return Shape{3, kSide, kSide};
                   }});

}  // namespace

}  // namespace crema::data
