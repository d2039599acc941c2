// MnistData: an images and a labels file in the IDX format of MNIST, plain or gzip-packed.
//   file    big-endian 32-bit words: magic number, number of records, (rows, columns); then one
//           byte per pixel or label.  magic 2051 = bytes with 3 axes, 2049 = bytes with 1 axis
//   tops    data (1, rows, columns) bytes; label ()
// Both files are held in memory.

#include <fmt/format.h>
#include <sys/stat.h>
#include <zlib.h>

#include <array>

#include "data/located.hpp"
#include "data/source.hpp"

namespace crema::data {

namespace {

constexpr uint32_t kImagesMagic = 2051, kLabelsMagic = 2049;
// No deflate stream unpacks to more than this many times its size.
constexpr int64_t kMostPacked = 1032;

class GzFile {
 public:
  explicit GzFile(const std::string& path) : path_(path), file_(gzopen(path.c_str(), "rb")) {
    if (!file_) throw fail("cannot be opened");
    gzbuffer(file_, 1 << 17);
  }
  ~GzFile() { gzclose(file_); }
  GzFile(const GzFile&) = delete;
  GzFile& operator=(const GzFile&) = delete;

  Error fail(const std::string& message) const {
    return Error(ErrorCode::kData, fmt::format("'{}' {}", path_, message));
  }
  // As many bytes as there are, at most `size`.
  size_t read(uint8_t* out, size_t size) {
    size_t done = 0;
    while (done < size) {
      const unsigned want = static_cast<unsigned>(std::min<size_t>(size - done, 1u << 30));
      const int got = gzread(file_, out + done, want);
      if (got < 0) throw fail("is damaged: it does not unpack");
      if (got == 0) break;
      done += static_cast<size_t>(got);
    }
    return done;
  }
  uint32_t word() {
    std::array<uint8_t, 4> b{};
    if (read(b.data(), b.size()) != b.size()) throw fail("is cut short: it has no whole header");
    return uint32_t{b[0]} << 24 | uint32_t{b[1]} << 16 | uint32_t{b[2]} << 8 | b[3];
  }
  // What the header claims is compared with the file before memory is asked for.
  int64_t most_bytes() const {
    struct stat info {};
    if (::stat(path_.c_str(), &info) != 0) throw fail("cannot be read");
    return gzdirect(file_) ? int64_t{info.st_size} : int64_t{info.st_size} * kMostPacked;
  }

 private:
  std::string path_;
  gzFile file_;
};

struct Idx {
  std::vector<int64_t> sizes;
  std::vector<uint8_t> bytes;
};

Idx read_idx(const std::string& path, uint32_t magic, int axes) {
  GzFile file(path);
  const uint32_t found = file.word();
  if (found != magic)
    throw file
        .fail(fmt::format("is not an IDX file of {}: it begins with {}, not {}",
                          axes == 3 ? "images" : "labels", found, magic))
        .advise(found == (axes == 3 ? kLabelsMagic : kImagesMagic)
                    ? "images and labels are interchanged"
                    : "the files of MNIST are called train-images-idx3-ubyte and so on");
  Idx out;
  int64_t count = 1;
  for (int i = 0; i < axes; ++i) {
    const int64_t size = file.word();
    if (size == 0) throw file.fail(fmt::format("has the size 0 on axis {}", i));
    if (size > file.most_bytes() / count)
      throw file.fail("is cut short: it is smaller than its header says");
    count *= size;
    out.sizes.push_back(size);
  }
  out.bytes.resize(static_cast<size_t>(count));
  const size_t got = file.read(out.bytes.data(), out.bytes.size());
  if (got != out.bytes.size())
    throw file.fail(fmt::format("is cut short: {} bytes of {} after the header", got, count));
  uint8_t extra = 0;
  if (file.read(&extra, 1) != 0)
    throw file.fail(fmt::format("is longer than the {} bytes its header says", count));
  return out;
}

class MnistSource final : public Source {
 public:
  MnistSource(std::string path, Idx images, Idx labels, size_t tops)
      : path_(std::move(path)),
        images_(std::move(images)),
        labels_(std::move(labels)),
        tops_(tops) {}

  int64_t size() const override { return images_.sizes[0]; }
  std::string describe(int64_t index) const override {
    return fmt::format("picture {} of '{}'", index, path_);
  }
  void read(int64_t index, Sample& out) const override {
    const int64_t pixels = images_.sizes[1] * images_.sizes[2];
    const uint8_t* begin = images_.bytes.data() + index * pixels;
    out.resize(tops_);
    out[0].shape = Shape{1, images_.sizes[1], images_.sizes[2]};
    out[0].bytes.assign(begin, begin + pixels);
    if (tops_ > 1) out[1].values.assign(1, labels_.bytes[static_cast<size_t>(index)]);
  }

 private:
  std::string path_;
  Idx images_, labels_;
  size_t tops_;
};

std::unique_ptr<Source> open_mnist(const config::LayerConfig& layer, caffe::Phase) {
  const caffe::MnistDataParameter& param = layer.param.mnist_data_param();
  const std::string images = existing_path(layer, "mnist_data_param.images", param.images());
  // Without a label top the labels file may be left out.
  const bool labelled = layer.param.top_size() > 1;
  Idx pictures = read_idx(images, kImagesMagic, 3), labels;
  if (labelled) {
    const std::string path = existing_path(layer, "mnist_data_param.labels", param.labels());
    labels = read_idx(path, kLabelsMagic, 1);
    if (labels.sizes[0] != pictures.sizes[0])
      throw data_error(layer, "mnist_data_param",
                       fmt::format("'{}' holds {} images but '{}' {} labels", images,
                                   pictures.sizes[0], path, labels.sizes[0]));
  }
  return std::make_unique<MnistSource>(images, std::move(pictures), std::move(labels),
                                       static_cast<size_t>(layer.param.top_size()));
}

CREMA_REGISTER(SourceTag, "MnistData",
               SourceType{
                   open_mnist,
                   [](const caffe::LayerParameter& p) -> int64_t {
                     return p.mnist_data_param().batch_size();
                   },
                   [](const caffe::LayerParameter& p) { return p.mnist_data_param().shuffle(); },
                   "mnist_data_param", 2,
                   // MNIST's; the files may say otherwise.
                   [](const caffe::LayerParameter&) {
                     return Shape{1, 28, 28};
                   }});

}  // namespace

}  // namespace crema::data
