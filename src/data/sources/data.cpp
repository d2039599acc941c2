// Data: the records of a Caffe database (LMDB or LevelDB), values serialised Datums.
//   tops    data (C, H, W); label () = Datum.label, 0 if absent
//   images  encoded ones are decoded, to as many channels as they have unless transform_param says
//           force_color or force_gray; channels B, G, R
//   order   that of the keys, byte by byte; the keys themselves mean nothing

#include <fmt/format.h>

#include "base/files.hpp"
#include "data/datum.hpp"
#include "data/leveldb.hpp"
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
  DatabaseSource(std::string path, std::unique_ptr<Database> records, Colour colour, size_t tops)
      : path_(std::move(path)), records_(std::move(records)), colour_(colour), tops_(tops) {}

  int64_t size() const override { return records_->size(); }
  std::string describe(int64_t index) const override {
    return fmt::format("record {} (key '{}') of '{}'", index, printable(records_->key(index)),
                       path_);
  }
  void read(int64_t index, Sample& out) const override {
    thread_local std::string scratch;
    out.resize(tops_);
    const std::string_view record = records_->value(index, scratch);
    try {
      parse_datum(record, colour_, "", out);
    } catch (Error& error) {
      error.message = describe(index) + error.message;
      throw;
    }
  }

 private:
  std::string path_;
  std::unique_ptr<Database> records_;
  Colour colour_;
  size_t tops_;
};

// LEVELDB is the default, as in BVLC: a definition without a backend means it.
std::unique_ptr<Database> open_database(const config::LayerConfig& layer, const std::string& path) {
  const caffe::DataParameter& param = layer.param.data_param();
  const bool lmdb = param.backend() == caffe::DataParameter::LMDB;
  const bool is_lmdb = file_exists(path + "/data.mdb"), is_leveldb = file_exists(path + "/CURRENT");
  if (lmdb ? is_leveldb && !is_lmdb : is_lmdb && !is_leveldb) {
    const char* right = lmdb ? "LEVELDB" : "LMDB";
    throw config_error(
        layer, param.has_backend() ? "data_param.backend" : "data_param",
        fmt::format("'{}' is {} database, but {}", param.source(), lmdb ? "a LevelDB" : "an LMDB",
                    lmdb                  ? "the backend is LMDB"
                    : param.has_backend() ? "the backend is LEVELDB"
                                          : "no backend is given, which means LEVELDB"))
        .advise(fmt::format("write backend: {}", right));
  }
  if (lmdb) return std::make_unique<Lmdb>(path);
  return std::make_unique<LevelDb>(path);
}

std::unique_ptr<Source> open_data(const config::LayerConfig& layer, caffe::Phase) {
  const std::string path =
      existing_path(layer, "data_param.source", layer.param.data_param().source());
  const caffe::TransformationParameter& transform = layer.param.transform_param();
  const Colour colour = transform.force_color()  ? Colour::kColour
                        : transform.force_gray() ? Colour::kGray
                                                 : Colour::kAsStored;
  return std::make_unique<DatabaseSource>(path, open_database(layer, path), colour,
                                          static_cast<size_t>(layer.param.top_size()));
}

CREMA_REGISTER(SourceTag, "Data",
               SourceType{open_data,
                          [](const caffe::LayerParameter& p) -> int64_t {
                            return p.data_param().batch_size();
                          },
                          [](const caffe::LayerParameter& p) { return p.data_param().shuffle(); },
                          "data_param"});

}  // namespace

}  // namespace crema::data
