// HDF5Data: rows of the datasets of several HDF5 files, one dataset per top, named like it.
//   source   text file with the names of the HDF5 files between white space
//   tops     top i = axes 1.. of dataset i, integers and floats alike as float
//   errors   all datasets of a file have equal axis 0, a dataset's axes 1.. are equal in all files
// Rows are read in blocks, of which the most recent ones are kept: a data set that fits is read
// once, a larger one streams.

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <list>
#include <map>
#include <mutex>
#include <sstream>

#include "base/files.hpp"
#include "data/hdf5_file.hpp"
#include "data/located.hpp"
#include "data/source.hpp"

namespace crema::data {

namespace {

constexpr int64_t kBlockBytes = int64_t{1} << 20;  // of all tops together
constexpr int64_t kCacheBytes = int64_t{1} << 30;

// What is known of a file between two readings. It is opened anew for each block: a list may name
// more files than a process may keep open.
struct File {
  std::string path;
  std::vector<std::string> names;  // of the datasets, one per top
  std::vector<Shape> row_shapes;   // axes 1.. of each
  int64_t first = 0, rows = 0;     // of all the source's rows
  int64_t block_rows = 1;
};

// Rows of every top, as floats.
struct Block {
  std::vector<std::vector<float>> tops;
  int64_t bytes = 0;
};

// About kBlockBytes, in whole chunks so that none is unpacked twice.
int64_t choose_block_rows(int64_t rows, int64_t row_elements, int64_t chunk_rows) {
  const int64_t row_bytes = row_elements * static_cast<int64_t>(sizeof(float));
  int64_t block = std::max<int64_t>(1, kBlockBytes / row_bytes);
  if (chunk_rows <= kCacheBytes / 4 / row_bytes)
    block = (block + chunk_rows - 1) / chunk_rows * chunk_rows;
  return std::max<int64_t>(1, std::min(block, rows));
}

File inspect_file(const std::string& path, const config::LayerConfig& layer) {
  File file;
  file.path = path;
  const Hdf5Handle handle = open_hdf5(path, ErrorCode::kData);
  int64_t row_elements = 0, chunk_rows = 1;
  for (const std::string& top : layer.param.top()) {
    const Hdf5Dataset dataset(handle.id(), path, top);
    if (file.names.empty()) file.rows = dataset.rows();
    if (dataset.rows() != file.rows)
      throw Error(ErrorCode::kData, fmt::format("'{}' has {} rows of '{}' but {} of '{}'", path,
                                                file.rows, file.names[0], dataset.rows(), top));
    file.names.push_back(top);
    file.row_shapes.push_back(dataset.row());
    row_elements += dataset.row().count();
    chunk_rows = std::max(chunk_rows, dataset.chunk_rows());
  }
  file.block_rows = choose_block_rows(file.rows, row_elements, chunk_rows);
  return file;
}

Block load_block(const File& file, int64_t which) {
  const int64_t first = which * file.block_rows;
  const int64_t count = std::min(file.block_rows, file.rows - first);
  const Hdf5Handle handle = open_hdf5(file.path, ErrorCode::kData);
  Block out;
  for (size_t i = 0; i < file.names.size(); ++i) {
    const Hdf5Dataset dataset(handle.id(), file.path, file.names[i]);
    if (dataset.rows() != file.rows || dataset.row() != file.row_shapes[i])
      throw Error(ErrorCode::kData, fmt::format("'{}' has changed since it was opened", file.path));
    out.tops.emplace_back(static_cast<size_t>(count * dataset.row().count()));
    dataset.read(first, count, out.tops.back().data());
    out.bytes += static_cast<int64_t>(out.tops.back().size() * sizeof(float));
  }
  return out;
}

class Hdf5Source final : public Source {
 public:
  explicit Hdf5Source(std::vector<File> files) : files_(std::move(files)) {
    for (File& file : files_) {
      file.first = size_;
      size_ += file.rows;
    }
  }

  int64_t size() const override { return size_; }
  std::string describe(int64_t index) const override {
    const File& file = files_[file_of(index)];
    return fmt::format("row {} of '{}'", index - file.first, file.path);
  }

  void read(int64_t index, Sample& out) const override {
    const size_t number = file_of(index);
    const File& file = files_[number];
    const int64_t row = index - file.first;
    const std::shared_ptr<const Block> rows = block(number, row / file.block_rows);
    out.resize(file.row_shapes.size());
    for (size_t i = 0; i < out.size(); ++i) {
      const int64_t count = file.row_shapes[i].count();
      const float* begin = rows->tops[i].data() + row % file.block_rows * count;
      out[i].shape = file.row_shapes[i];
      out[i].bytes.clear();
      out[i].values.assign(begin, begin + count);
    }
  }

 private:
  using Key = std::pair<size_t, int64_t>;  // file, block in it

  size_t file_of(int64_t index) const {
    const auto after = std::upper_bound(files_.begin(), files_.end(), index,
                                        [](int64_t i, const File& file) { return i < file.first; });
    return static_cast<size_t>(after - files_.begin()) - 1;
  }

  // HDF5 is not to be called from two threads at once, hence reading happens under the lock too.
  std::shared_ptr<const Block> block(size_t number, int64_t which) const {
    const std::lock_guard lock(mutex_);
    const Key key{number, which};
    if (const auto found = cached_.find(key); found != cached_.end()) {
      recent_.splice(recent_.begin(), recent_, found->second.second);
      return found->second.first;
    }
    auto fresh = std::make_shared<const Block>(load_block(files_[number], which));
    recent_.push_front(key);
    cached_[key] = {fresh, recent_.begin()};
    cached_bytes_ += fresh->bytes;
    while (cached_bytes_ > kCacheBytes && recent_.size() > 1) {
      const auto oldest = cached_.find(recent_.back());
      cached_bytes_ -= oldest->second.first->bytes;
      cached_.erase(oldest);
      recent_.pop_back();
    }
    return fresh;
  }

  std::vector<File> files_;
  int64_t size_ = 0;
  mutable std::mutex mutex_;
  mutable std::list<Key> recent_;  // most recent first
  mutable std::map<Key, std::pair<std::shared_ptr<const Block>, std::list<Key>::iterator>> cached_;
  mutable int64_t cached_bytes_ = 0;
};

// The same top must have the same shape in every file: a net's shapes are fixed.
void check_same_rows(const File& a, const File& b) {
  for (size_t i = 0; i < a.names.size(); ++i)
    if (a.row_shapes[i] != b.row_shapes[i])
      throw Error(ErrorCode::kData,
                  fmt::format("rows of '{}' are {} in '{}' but {} in '{}'", a.names[i],
                              a.row_shapes[i].text(), a.path, b.row_shapes[i].text(), b.path));
}

std::unique_ptr<Source> open_hdf5(const config::LayerConfig& layer, caffe::Phase) {
  const std::string list =
      existing_path(layer, "hdf5_data_param.source", layer.param.hdf5_data_param().source());
  const std::string folder =
      list.find('/') == std::string::npos ? "" : list.substr(0, list.rfind('/'));
  const std::string text = read_file(list, ErrorCode::kData);
  if (text.starts_with("\x89HDF"))
    throw data_error(layer, "hdf5_data_param.source",
                     fmt::format("'{}' is an HDF5 file, not a list of such files", list))
        .advise("write its name into a text file and make that the source");
  std::istringstream words(text);
  std::vector<File> files;
  int64_t rows = 0;
  for (std::string name; words >> name;) {
    try {
      files.push_back(
          inspect_file(existing_path(layer, "hdf5_data_param.source", name, folder), layer));
      check_same_rows(files.front(), files.back());
    } catch (Error& error) {
      throw error.note(fmt::format("'{}' is named in the list '{}'", name, list));
    }
    rows += files.back().rows;
  }
  if (files.empty())
    throw data_error(layer, "hdf5_data_param.source",
                     fmt::format("the list '{}' names no HDF5 files", list));
  if (rows == 0)
    throw data_error(layer, "hdf5_data_param.source",
                     fmt::format("the files of the list '{}' hold no rows", list));
  return std::make_unique<Hdf5Source>(std::move(files));
}

CREMA_REGISTER(SourceTag, "HDF5Data",
               SourceType{
                   open_hdf5,
                   [](const caffe::LayerParameter& p) -> int64_t {
                     return p.hdf5_data_param().batch_size();
                   },
                   [](const caffe::LayerParameter& p) { return p.hdf5_data_param().shuffle(); },
                   "hdf5_data_param",
                   std::numeric_limits<int>::max(),
                   {},
                   false});

}  // namespace

}  // namespace crema::data
