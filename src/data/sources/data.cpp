// Data: the records of a Caffe database (LMDB), values serialised Datums.
//   tops    data (C, H, W); label () = Datum.label, 0 if absent
//   order   that of the keys, byte by byte; the keys themselves mean nothing

#include <fmt/format.h>

#include "base/files.hpp"
#include "data/datum.hpp"
#include "data/lmdb.hpp"
#include "data/located.hpp"
#include "data/source.hpp"

namespace crema::data {

namespace {

// Keys may be any bytes: what cannot be printed is shown as "\xNN".
std::string printable(std::string_view key) {
  std::string out;
  for (const char ch : key.substr(0, 80)) {
    const bool plain = ch >= ' ' && ch <= '~' && ch != '\\';
    out += plain ? std::string(1, ch) : fmt::format("\\x{:02x}", static_cast<uint8_t>(ch));
  }
  return key.size() > 80 ? out + "..." : out;
}

class DatabaseSource final : public Source {
 public:
  DatabaseSource(const std::string& path, size_t tops) : path_(path), tops_(tops), records_(path) {}

  int64_t size() const override { return records_.size(); }
  std::string describe(int64_t index) const override {
    return fmt::format("record {} (key '{}') of '{}'", index, printable(records_.key(index)),
                       path_);
  }
  void read(int64_t index, Sample& out) const override {
    out.resize(tops_);
    try {
      parse_datum(records_.value(index), "", out);
    } catch (Error& error) {
      error.message = describe(index) + error.message;
      throw;
    }
  }

 private:
  std::string path_;
  size_t tops_;
  Lmdb records_;
};

// LevelDB is the default backend, as in BVLC, so that a definition without one means it.
[[noreturn]] void refuse_leveldb(const config::LayerConfig& layer) {
  const caffe::DataParameter& param = layer.param.data_param();
  Error error = config_error(
      layer, param.has_backend() ? "data_param.backend" : "data_param",
      param.has_backend() ? "the backend LEVELDB is not supported, only LMDB"
                          : "no backend is given, which means LEVELDB; only LMDB is supported");
  std::string folder;
  try {
    folder = existing_path(layer, "data_param.source", param.source());
  } catch (const Error&) {
    // The backend is the first thing to put right; a missing folder is reported after that.
  }
  if (!folder.empty() && file_exists(folder + "/data.mdb"))
    throw error.advise(
        fmt::format("'{}' holds an LMDB database: write backend: LMDB", param.source()));
  throw error.advise(
      "write the database again with Caffe's convert_imageset --backend=lmdb (or the data set's "
      "own converter with --backend=lmdb), then write backend: LMDB");
}

std::unique_ptr<Source> open(const config::LayerConfig& layer, caffe::Phase) {
  const caffe::DataParameter& param = layer.param.data_param();
  if (param.backend() != caffe::DataParameter::LMDB) refuse_leveldb(layer);
  const std::string path = existing_path(layer, "data_param.source", param.source());
  if (file_exists(path + "/CURRENT") && !file_exists(path + "/data.mdb"))
    throw data_error(layer, "data_param.source",
                     fmt::format("'{}' is a LevelDB database; only LMDB is supported", path))
        .advise("write the database again with Caffe's convert_imageset --backend=lmdb");
  return std::make_unique<DatabaseSource>(path, static_cast<size_t>(layer.param.top_size()));
}

CREMA_REGISTER(SourceTag, "Data",
               SourceType{open,
                          [](const caffe::LayerParameter& p) -> int64_t {
                            return p.data_param().batch_size();
                          },
                          [](const caffe::LayerParameter& p) { return p.data_param().shuffle(); },
                          "data_param"});

}  // namespace

}  // namespace crema::data
